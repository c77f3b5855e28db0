from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from l2ltr_core.errors import ImageryError
from l2ltr_core.imagery import open_imagery
from tests.town import CENTRE

ZOOM = 18


class Tiles(http.server.BaseHTTPRequestHandler):
    """Every tile in the colour of its own column and row."""

    def do_GET(self) -> None:
        _, column, row = (int(part) for part in self.path.removesuffix(".png").split("/")[-3:])
        picture = Image.new("RGB", (256, 256), (column % 256, row % 256, 77))
        stream = BytesIO()
        picture.save(stream, "PNG")
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.end_headers()
        self.wfile.write(stream.getvalue())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tiles)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/{{z}}/{{x}}/{{y}}.png"
    server.shutdown()


def test_a_chip_is_put_together_from_tiles(address: str) -> None:
    imagery = open_imagery(f"{address}#zoom={ZOOM}")
    chip = imagery.chip(CENTRE, 30.0, 100)
    column = int((CENTRE.longitude + 180) / 360 * 2**ZOOM)
    colours = {tuple(colour) for colour in chip.reshape(-1, 3).tolist()}
    assert any(red == column % 256 and blue == 77 for red, _, blue in colours)
    assert np.ptp(chip[..., 2]) <= 1
    assert imagery.covers(CENTRE, 30.0)


def test_columns_of_tiles_grow_to_the_east_and_rows_to_the_south(address: str) -> None:
    imagery = open_imagery(f"{address}#zoom={ZOOM}")
    chip = imagery.chip(CENTRE, 400.0, 200).astype(int)
    assert chip[100, 190, 0] > chip[100, 10, 0]
    assert chip[190, 100, 1] > chip[10, 100, 1]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("https://host/{z}/{x}.png", "lacks {y}"),
        ("https://host/{z}/{x}/{y}.png#19", "expected #zoom"),
        ("https://host/{z}/{x}/{y}.png#zoom=99", "expected #zoom"),
    ],
)
def test_an_address_with_a_mistake_is_refused(spec: str, words: str) -> None:
    with pytest.raises(ImageryError, match=words):
        open_imagery(spec)
