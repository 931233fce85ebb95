"""Reads the centroids of blasts that ALL-IDB1 has beside its images."""

from __future__ import annotations

import math
from pathlib import Path

from ...errors import DataError
from ..regular_files import read_regular_file

MAX_XYC_BYTES = 1 << 20


def read_centroids(path: Path) -> tuple[tuple[float, float], ...]:
    """Return the positions (x, y) of the blasts of an image of ALL-IDB1, in pixels.

    Parameters
    ----------
    path : Path
        The image. Its centroids lie in ``xyc/``, beside its folder.

    Returns
    -------
    tuple of (float, float)
        Empty if the image has none.

    Raises
    ------
    DataError
        If a line is no position.
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
    return tuple(centroids)
