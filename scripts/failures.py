"""Where a checkpoint finds the validation photos and where it does not, drawn on the map.

    python scripts/failures.py [CHECKPOINT] [PICTURE]

Each photo is a dot on the orthophoto of the validation strip, green where the first match among all places of the
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


def main(checkpoint: str = "helsinki-l2ltr", picture: str = "docs/hard.jpg") -> None:
    """Search for every photo and draw where it was taken."""
    dataset = open_dataset(VALIDATION.folder)
    encoder = l2.load_encoder(checkpoint)
    searched = measure(dataset, encoder, protocol="places", gallery=l2.open_gallery("helsinki"))
    errors_m = searched.photos["error_m"].to_numpy()
    with rasterio.open(VALIDATION.folder / "orthophoto_0.tif") as raster:
        image, to_pixel = Image.fromarray(raster.read().transpose(1, 2, 0)), ~raster.transform
    draw = ImageDraw.Draw(image)
    for query, error_m in zip(dataset.queries, errors_m, strict=True):
        assert query.location is not None
        column, row = to_pixel * to_mercator(query.location.latitude, query.location.longitude)
        dot = (column - DOT_PX, row - DOT_PX, column + DOT_PX, row + DOT_PX)
        draw.ellipse(dot, fill=FOUND if error_m <= CORRECT_WITHIN_M else MISSED, outline="white")
    shown = image.resize((WIDTH_PX, round(image.height * WIDTH_PX / image.width)), Image.Resampling.LANCZOS)
    shown.save(picture, quality=85)
    print(f"{(errors_m <= CORRECT_WITHIN_M).mean():.1%} of {len(errors_m)} photos found within 25 m")


if __name__ == "__main__":
    main(*sys.argv[1:3])
