"""Reads the centroids of blasts that ALL-IDB1 has beside its images."""

from __future__ import annotations

import math
from pathlib import Path

from ...errors import DataError
from ..regular_files import read_regular_file
from .cell_truth import check_positions

MAX_XYC_BYTES = 1 << 20


def read_centroids(path: Path, size: tuple[int, int]) -> tuple[tuple[float, float], ...]:
    """Return the positions (x, y) of the blasts of an image of ALL-IDB1, in pixels.

    Parameters
    ----------
    path : Path
        The image. Its centroids lie in ``xyc/``, beside its folder.
    size : tuple of int
        Width and height of the image, upright.

    Returns
    -------
    tuple of (float, float)
        Empty if the image has none.

    Raises
    ------
    DataError
        If a line is no position, or a position is there twice or lies outside the image.
    """
    xyc = path.parent.parent / "xyc" / f"{path.stem}.xyc"
    if not xyc.is_file():
        return ()
    content = read_regular_file(xyc, limit_bytes=MAX_XYC_BYTES, error=DataError)
    centroids = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            x, y = map(float, line.split()[:2])
        except ValueError:
            x = y = math.nan
        if not (math.isfinite(x) and math.isfinite(y)):
            raise DataError(
                f"line {number} of {xyc} is no centroid of a blast",
                allowed="X Y in pixels",
                fix="copy the file again, or remove it",
            )
        centroids.append((x, y))
    check_positions(centroids, size, path, xyc)
    return tuple(centroids)
