"""Draws images of another microscope for the small network, and tables of checked images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .tiny_run import DARK, SIZE

IMAGES = 36


def draw_site(root: Path, light: float = 0.8, images: int = IMAGES, seed: int = 31) -> list[Path]:
    """Write images whose light is another one than in training; every other one is a blast."""
    from alledge.train.phantom.smears import draw_field

    root.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(images):
        image, _ = draw_field(seed, index, False, size=160)
        level = light * (DARK if index % 2 else 1.0)
        pixels = np.asarray(image.resize((SIZE, SIZE)), np.float32) * level
        paths.append(root / f"{index:03d}.png")
        Image.fromarray(pixels.round().astype(np.uint8)).save(paths[-1])
    return paths


def write_checked(
    path: Path, images: Sequence[Path], labels: Sequence[str], smears: Sequence[str] = ()
) -> Path:
    """Write a table of checked images, relative to its own folder."""
    header = "image,label,smear" if smears else "image,label"
    rows = [
        ",".join([image.relative_to(path.parent).as_posix(), label, *smears[n : n + 1]])
        for n, (image, label) in enumerate(zip(images, labels, strict=True))
    ]
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def true_labels(images: int = IMAGES) -> list[str]:
    """Return the labels of the images of `draw_site`."""
    return ["blast" if index % 2 else "healthy" for index in range(images)]
