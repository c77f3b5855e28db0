from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from l2ltr_core.errors import DatasetError
from l2ltr_core.evaluation.walks import FARTHEST_M, LENGTHS, MOST_WALKS, NEAREST_M, measure_walks, walks_among
from l2ltr_core.gallery import Gallery
from l2ltr_core.geometry.geodesy import distance_between_m, offset
from l2ltr_core.localization import Calibration, EncodedPhoto, encode_photos
from l2ltr_core.types import RGB, Location, Panorama
from tests.town import CENTRE, CHIP_M, ColourEncoder

ENCODER = ColourEncoder()


def encoded(shown: list[RGB]) -> list[EncodedPhoto]:
    return encode_photos([Panorama(each) for each in shown], [0.0] * len(shown), ENCODER, "real")


def street(count: int, step_m: float) -> list[Location]:
    return [offset(CENTRE, step_m * number, 0) for number in range(count)]


def test_walks_lead_from_photo_to_photo_without_turning_back() -> None:
    random = np.random.default_rng(1)
    photos = [offset(CENTRE, *random.uniform(-60, 60, 2)) for _ in range(60)]
    walks = walks_among(photos, 4)
    assert walks and walks == walks_among(photos, 4)
    for walk in walks:
        assert len(walk) == len(set(walk)) == 4
        for one, other in pairwise(walk):
            assert distance_between_m(photos[one], photos[other]) <= FARTHEST_M
        for one, other in combinations(walk, 2):
            assert distance_between_m(photos[one], photos[other]) >= NEAREST_M


def test_walks_are_many_but_not_any_number_and_spread() -> None:
    walks = walks_among(street(2 * MOST_WALKS, 20), 2)
    assert len(walks) == MOST_WALKS
    assert (walks[0][0], walks[-1][0]) == (0, 2 * MOST_WALKS - 1)


def test_photos_are_found_alone_and_together(gallery: Gallery) -> None:
    places = [gallery.location(row * 16 + 5) for row in range(16) for _ in range(2)]
    shown = [gallery.imagery.chip(place, CHIP_M, 64) for place in places]
    wrong = gallery.imagery.chip(gallery.location(255), CHIP_M, 64)
    shown[20] = (0.45 * shown[20] + 0.55 * wrong).astype(np.uint8)  # takes itself for the far corner
    seen = encoded(shown)
    measured = measure_walks(seen, places, gallery, ENCODER, Calibration(0.05))
    assert list(measured) == [str(length) for length in LENGTHS]
    for found in measured.values():
        assert found["alone"]["photos_found"] < 1
        assert found["together"]["walks_found"] > found["alone"]["walks_found"]
        assert found["together"]["photos_found"] >= found["together"]["walks_found"]
        assert 0 <= found["confidence"]["error"] <= 1


def test_photos_far_from_each_other_are_no_walk(gallery: Gallery) -> None:
    seen = encoded([gallery.imagery.chip(CENTRE, CHIP_M, 64)] * 2)
    with pytest.raises(DatasetError, match="15 to 40 m apart"):
        measure_walks(seen, street(2, 90), gallery, ENCODER, Calibration())
