"""Measures how surely copies of images are told from other images.

Example: ``python -m alledge.train.data.cells.copy_benchmark ALL_IDB1 ALL_IDB2``
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from ....runtime.data.datasets import read_dataset
from ....runtime.imaging import load_field
from ..connected_sets import connected_components
from ..overlaps.search import find_overlaps
from .copies import SIDE, best_correlation, find_copies, normalized_details, thumbnail

SCALES, JPEG_QUALITY = (0.5, 1.0), 85
BRIGHTNESS, CONTRAST = (0.7, 1.3), (0.8, 1.2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the correlations of copies and of different images, and what `find_copies` finds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    paths = [sample.path for root in options.data for sample in read_dataset(root).samples]
    pairs = [(overlap.a, overlap.b) for overlap in find_overlaps(paths)]
    scene = connected_components(len(paths), pairs)
    rng = np.random.default_rng(options.seed)
    originals, copies = [], []
    for path in paths:
        rgb, _, _ = load_field(path, 4 * SIDE)
        originals.append(thumbnail(rgb))
        copies.append(thumbnail(_changed(rgb, rng)))
    details = normalized_details(np.array([*originals, *copies]))
    count = len(paths)
    own = [best_correlation(details[i], details[count + i]) for i in range(count)]
    others = _best_of_others(details[:count], scene)
    found = find_copies(np.array([*originals, *copies]))
    scenes = np.concatenate([scene, scene])
    right = {(a, b) for a, b in found if scenes[a] == scenes[b]}
    print(f"{count} images, one copy of each")
    print(f"correlation of a copy with its image: {min(own):.3f} and more")
    print(f"correlation of different images: {max(others):.3f} and less")
    print(f"copies found: {sum((i, count + i) in right for i in range(count))} of {count}")
    print(f"pairs of different images found: {len(found) - len(right)}")


def _changed(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a copy in a random orientation, size, brightness and contrast, saved as JPEG."""
    pixels = np.rot90(rgb, int(rng.integers(4)))
    pixels = pixels[:, ::-1] if rng.random() < 0.5 else pixels
    image = Image.fromarray(np.ascontiguousarray(pixels))
    scale = rng.uniform(*SCALES)
    image = image.resize((round(image.width * scale), round(image.height * scale)))
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(*BRIGHTNESS))
    image = ImageEnhance.Contrast(image).enhance(rng.uniform(*CONTRAST))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(file).convert("RGB"))


def _best_of_others(details: np.ndarray, scene: np.ndarray) -> list[float]:
    """Return the best correlation of each image with an image of another scene."""
    flat = details.reshape(len(details), -1)
    best = np.full((len(flat), len(flat)), -1.0, dtype=np.float32)
    for turn in range(4):
        turned = np.rot90(details, turn, axes=(1, 2))
        for way in (turned, turned[:, :, ::-1]):
            best = np.maximum(best, way.reshape(len(flat), -1) @ flat.T)
    best[scene[:, None] == scene] = -1.0
    return [float(value) for value in best.max(axis=1)]


if __name__ == "__main__":
    main()
