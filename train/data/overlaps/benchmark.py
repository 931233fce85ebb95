"""How long the search for images that show the same takes, and what it finds, on generated smears.

``python -m alledge.train.data.overlaps.benchmark FOLDER --images 10000`` makes the images where the
folder is empty (fields, turned and mirrored eight ways, since the search does not take those for
the same) and searches them; one in ten images overlaps with the one before it by a known shift.
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
FIELD = 900  # pixels: width of the fields that two overlapping images are cut from
SHIFT = (170, 90)  # pixels between the two
WAYS = 8  # orientations of a field
QUALITY = 92


def make(folder: Path, images: int) -> None:
    """Write generated fields until there are as many images as wanted."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        list(pool.map(_field, [folder] * (images // WAYS), range(images // WAYS)))


def _field(folder: Path, index: int) -> None:
    for at, image in enumerate(_cuts(index)):
        for way in range(WAYS // 2 if index % 5 == 0 else WAYS):
            turned = image.rotate(90 * (way % 4), expand=True)
            turned = turned.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if way >= 4 else turned
            turned.save(folder / f"{index:05}-{way}-{at}.jpg", quality=QUALITY)


def _cuts(index: int) -> list[Image.Image]:
    """Return one image of a field; of every fifth field two that overlap."""
    if index % 5:
        return [draw_field(1, index, bool(index % 2), size=WIDTH)[0]]
    whole = draw_field(1, index, bool(index % 2), size=FIELD)[0]
    corners = ((0, 0), SHIFT)
    return [whole.crop((x, y, x + WIDTH, y + HEIGHT)) for x, y in corners]


def main() -> None:
    """Make the images where there are none, search them, print figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--make-only", action="store_true")
    asked = parser.parse_args()
    if not asked.folder.is_dir() or not any(asked.folder.iterdir()):
        make(asked.folder, asked.images)
    if asked.make_only:
        return
    paths = sorted(asked.folder.glob("*.jpg"))
    names = {path.name: index for index, path in enumerate(paths)}
    wanted = {
        (names[f"{p.stem[:-2]}-0.jpg"], names[p.name]) for p in paths if p.stem.endswith("-1")
    }
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        found = {(one.a, one.b) for one in find_overlaps(paths)}
        seconds.append(round(time.perf_counter() - began, 1))
    figures = {
        "images": len(paths),
        "cores": os.cpu_count(),
        "seconds": seconds[0],
        "seconds_again": seconds[1],
        "pairs_made": len(wanted),
        "found": len(wanted & found),
        "others": len(found - wanted),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
