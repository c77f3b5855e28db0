"""Where a checkpoint finds the validation photos and where it does not, drawn on the map.

    python scripts/failures.py [CHECKPOINT] [PICTURE]

Each photo is a dot on the orthophoto around the validation strip, green where the first match among all places of the
city lies within 25 m.
"""

from __future__ import annotations

import sys

import rasterio
from build_assets import VALIDATION
from PIL import Image, ImageDraw

import l2ltr_core as l2
from l2ltr_core.datasets import open_dataset
from l2ltr_core.evaluation.evaluate import CORRECT_WITHIN_M, measure
from l2ltr_core.geometry.geodesy import to_mercator

FOUND, MISSED = (40, 200, 80), (235, 60, 50)
DOT_PX, WIDTH_PX = 5, 1400
AROUND_PX = 100
"""Of the orthophoto beyond the outermost photos."""


def main(checkpoint: str = "helsinki-l2ltr", picture: str = "docs/hard.jpg") -> None:
    """Search for every photo and draw where it was taken."""
    dataset = open_dataset(VALIDATION.folder)
    encoder = l2.load_encoder(checkpoint)
    searched = measure(dataset, encoder, protocol="places", gallery=l2.open_gallery("helsinki"))
    errors_m = searched.photos["error_m"].to_numpy()
    with rasterio.open(VALIDATION.folder / "orthophoto_0.tif") as raster:
        image, to_pixel = Image.fromarray(raster.read().transpose(1, 2, 0)), ~raster.transform
    places = [query.location for query in dataset.queries if query.location is not None]
    pixels = [to_pixel * to_mercator(place.latitude, place.longitude) for place in places]
    draw = ImageDraw.Draw(image)
    for (column, row), error_m in zip(pixels, errors_m, strict=True):
        dot = (column - DOT_PX, row - DOT_PX, column + DOT_PX, row + DOT_PX)
        draw.ellipse(dot, fill=FOUND if error_m <= CORRECT_WITHIN_M else MISSED, outline="white")
    columns, rows = zip(*pixels, strict=True)
    left, top = max(0, min(columns) - AROUND_PX), max(0, min(rows) - AROUND_PX)
    right, bottom = min(image.width, max(columns) + AROUND_PX), min(image.height, max(rows) + AROUND_PX)
    image = image.crop((round(left), round(top), round(right), round(bottom)))
    shown = image.resize((WIDTH_PX, round(image.height * WIDTH_PX / image.width)), Image.Resampling.LANCZOS)
    shown.save(picture, quality=85)
    print(f"{(errors_m <= CORRECT_WITHIN_M).mean():.1%} of {len(errors_m)} photos found within 25 m")


if __name__ == "__main__":
    main(*sys.argv[1:3])
