"""Pictures of single cells of the Barcelona set: the half for development, and tight windows."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ....runtime.types import RGB

NO_LEUCOCYTE = "platelet"  # the kind of single cell that is none
TIGHT = 0.55  # side of a tight window around a single cell, of the side of its picture


def development_half(folder: Path, per_kind: int, *, platelets: bool = False) -> list[Path]:
    """Return the first pictures of each kind of the half for development, by their names."""
    chosen: list[Path] = []
    for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
        if platelets or kind.name != NO_LEUCOCYTE:
            half = [path for path in sorted(kind.glob("*.jpg")) if _is_for_development(path.name)]
            chosen += half[:per_kind]
    return chosen


def _is_for_development(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 0


def tight_window(rgb: RGB) -> RGB:
    """Return the middle of a picture, which its cell fills."""
    height, width = rgb.shape[:2]
    down, across = round(height * (1 - TIGHT) / 2), round(width * (1 - TIGHT) / 2)
    return rgb[down : height - down, across : width - across]
