import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from citysim.frame import LocalFrame

HELSINKI = LocalFrame(60.17, 24.94)


@given(st.floats(-2000, 2000), st.floats(-2000, 2000))
def test_a_place_goes_to_degrees_and_back(x_m: float, y_m: float) -> None:
    place = HELSINKI.to_location(x_m, y_m)
    back = HELSINKI.to_xy(np.array([[place.longitude, place.latitude]]))[0]
    assert back == pytest.approx((x_m, y_m), abs=1e-4)


def test_a_kilometre_is_a_kilometre_within_half_a_percent_and_north_is_up() -> None:
    origin, north = HELSINKI.to_location(0, 0), HELSINKI.to_location(0, 1000)
    bearing_deg, _, distance_m = Geod(ellps="WGS84").inv(
        origin.longitude, origin.latitude, north.longitude, north.latitude
    )
    assert bearing_deg == pytest.approx(0, abs=1e-6)
    assert distance_m == pytest.approx(1000, rel=0.005)


def test_the_raster_transform_puts_the_corner_where_the_frame_does() -> None:
    transform = HELSINKI.raster_transform(0.0, 500.0, 0.4)
    east, north = transform * (0, 0)
    east_1, _ = transform * (1000, 0)
    assert (east_1 - east) * HELSINKI.scale == pytest.approx(400.0)
    other = HELSINKI.raster_transform(0.0, 0.0, 0.4) * (0, 0)
    assert (north - other[1]) * HELSINKI.scale == pytest.approx(500.0)
