"""Measures the search for images that show the same content, on generated smears.

``python -m alledge.train.data.overlaps.benchmark FOLDER --images 10000`` generates the images if
the folder is empty, and searches them twice. The fields are rotated and mirrored in eight ways,
which the search does not treat as the same. One in ten images overlaps with the one before it by
a known shift.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
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
        list(
            pool.map(
                _write_field, [folder] * (images // ORIENTATIONS), range(images // ORIENTATIONS)
            )
        )


def _write_field(folder: Path, index: int) -> None:
    for part, image in enumerate(_field_images(index)):
        for way in range(ORIENTATIONS // 2 if index % 5 == 0 else ORIENTATIONS):
            turned = image.rotate(90 * (way % 4), expand=True)
            turned = turned.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if way >= 4 else turned
            turned.save(folder / f"{index:05}-{way}-{part}.jpg", quality=QUALITY)


def _field_images(index: int) -> list[Image.Image]:
    """Return one image of a field, or two overlapping images of every fifth field."""
    if index % 5:
        return [draw_field(1, index, bool(index % 2), size=WIDTH)[0]]
    field = draw_field(1, index, bool(index % 2), size=FIELD_WIDTH)[0]
    corners = ((0, 0), SHIFT)
    return [field.crop((x, y, x + WIDTH, y + HEIGHT)) for x, y in corners]


def main() -> None:
    """Generate the images if there are none, search them, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--make-only", action="store_true")
    options = parser.parse_args()
    if not options.folder.is_dir() or not any(options.folder.iterdir()):
        write_images(options.folder, options.images)
    if options.make_only:
        return
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
    figures = {
        "images": len(paths),
        "cores": os.cpu_count(),
        "seconds": seconds[0],
        "seconds_again": seconds[1],
        "pairs_made": len(expected),
        "found": len(expected & pairs),
        "others": len(pairs - expected),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
