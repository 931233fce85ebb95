"""Measures the search for images that show the same content, on generated smears.

``python -m alledge.train.data.overlaps.benchmark FOLDER --images 10000`` generates the images if
the folder is empty, and searches them twice. Every field is rotated and mirrored in up to eight
orientations, which the search treats as different. Every fifth field gives pairs of images that
overlap with a known shift.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from PIL import Image

from ...phantom.smears import draw_field
from .search import find_overlaps

WIDTH, HEIGHT = 640, 480  # pixels of an image
FIELD_WIDTH = 900  # pixels of the fields that two overlapping images are cut from
SHIFT = (170, 90)  # pixels between the two
ORIENTATIONS = 8
QUALITY = 92


def write_images(folder: Path, images: int) -> None:
    """Write generated fields until there are this many images."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        list(pool.map(partial(_write_field, folder), range(images // ORIENTATIONS)))


def _write_field(folder: Path, index: int) -> None:
    """Write eight images of a field: eight orientations of one, or four orientations of two."""
    images = _field_images(index)
    for part, image in enumerate(images):
        for orientation in range(ORIENTATIONS // len(images)):
            copy = image.rotate(90 * (orientation % 4), expand=True)
            copy = copy.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if orientation >= 4 else copy
            copy.save(folder / f"{index:05}-{orientation}-{part}.jpg", quality=QUALITY)


def _field_images(index: int) -> list[Image.Image]:
    """Return one image of a field, or two overlapping images of every fifth field."""
    if index % 5:
        return [draw_field(1, index, bool(index % 2), size=WIDTH)[0]]
    field = draw_field(1, index, bool(index % 2), size=FIELD_WIDTH)[0]
    corners = ((0, 0), SHIFT)
    return [field.crop((x, y, x + WIDTH, y + HEIGHT)) for x, y in corners]


def main() -> None:
    """Generate the images if there are none, search them, and print the measurements as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    options = parser.parse_args()
    if not options.folder.is_dir() or not any(options.folder.iterdir()):
        write_images(options.folder, options.images)
    paths = sorted(options.folder.glob("*.jpg"))
    names = {path.name: index for index, path in enumerate(paths)}
    expected = {
        (names[f"{p.stem[:-2]}-0.jpg"], names[p.name]) for p in paths if p.stem.endswith("-1")
    }
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        pairs = {(overlap.a, overlap.b) for overlap in find_overlaps(paths)}
        seconds.append(round(time.perf_counter() - began, 1))
    measurements = {
        "images": len(paths),
        "cores": os.cpu_count(),
        "seconds": seconds[0],
        "seconds_again": seconds[1],
        "pairs_made": len(expected),
        "found": len(expected & pairs),
        "others": len(pairs - expected),
    }
    print(json.dumps(measurements))


if __name__ == "__main__":
    main()
