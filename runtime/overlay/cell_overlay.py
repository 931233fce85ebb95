"""Draws a field with its cells outlined, numbered and labelled."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ...errors import ImageError, UsageError
from ..imaging import load_field
from ..records import Result
from .caption import record_lines, with_caption
from .cell_caption import caption_lines, field_heading
from .cell_labels import draw_label, place_labels
from .cell_marks import POSITIVE, STYLES, Disc, Verdict, draw_ring, verdict_of

if TYPE_CHECKING:
    from ..types import ImageSource

LONGEST_PIXELS, LEAST_PIXELS = 1600, 800
MARK_PIXELS = 1200  # marks on a smaller picture are as large as on this one
LINE_SHARE = 1 / 1000  # of the longest side: width of a thin line


def draw_cells(
    source: ImageSource, result: Result, *, positive: Collection[str] = POSITIVE
) -> Image.Image:
    """Return a field with its cells outlined, and a caption.

    Each cell has its number, which is its position in the record from 1 on, and the probability
    that it is a blast. Colour and line style show the verdict, so that a print in grey is
    readable. No outline and no label covers a nucleus. A label without a free place near its cell
    is left out; the caption says how many.

    Parameters
    ----------
    source : as of `load_rgb`
        The classified image.
    result : Result
        With `cells` and `counts`.
    positive : collection of str
        The labels that mean a blast.

    Returns
    -------
    PIL.Image.Image, RGB
        Its longest side without the caption is from `LEAST_PIXELS` to `LONGEST_PIXELS`.

    Raises
    ------
    UsageError
        If the image cannot be read any more.
    ValueError
        If the result has no cells, as that of a single cell or of another bundle.
    """
    if result.cells is None:
        raise ValueError("a result without cells has no picture of its cells")
    picture, scale = _load(source)
    cells = result.cells
    discs = [
        Disc((c.x + 0.5) * scale - 0.5, (c.y + 0.5) * scale - 0.5, c.radius * scale) for c in cells
    ]
    verdicts = [verdict_of(cell, positive) for cell in cells]
    side = max(*picture.size, MARK_PIXELS)
    line = side * LINE_SHARE
    picture = _outlined(picture, discs, verdicts, line)
    labels = place_labels(picture.size, cells, discs, verdicts, line, side)
    for label in labels:
        draw_label(picture, label, line)
    missing = len(cells) - len(labels)
    notes = [f"{missing} of {len(cells)} cells have no room for a label"] if missing else []
    lines = [*caption_lines(result, positive), *record_lines(result, notes)]
    return with_caption(picture, field_heading(result, positive), result, lines)


def _load(source: ImageSource) -> tuple[Image.Image, float]:
    """Return the upright picture, and its pixels per pixel of the original."""
    try:
        rgb, _, reduction = load_field(source, LONGEST_PIXELS * 3 // 4)
    except ImageError as error:
        raise UsageError(f"no overlay can be drawn: {error.what}") from None
    picture = Image.fromarray(rgb)
    longest = min(max(*picture.size, LEAST_PIXELS), LONGEST_PIXELS)
    scale = longest / max(picture.size)
    if scale != 1:
        size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    return picture, scale / reduction


def _outlined(
    picture: Image.Image, discs: Sequence[Disc], verdicts: Sequence[Verdict], line: float
) -> Image.Image:
    """Return the picture with all outlines; those of blasts are on top."""
    pixels = np.array(picture, dtype=np.float32)
    places = np.array([(disc.x, disc.y, disc.radius) for disc in discs]).reshape(-1, 3)
    for index in sorted(range(len(discs)), key=lambda i: verdicts[i] == "positive"):
        disc = discs[index]
        apart = np.hypot(places[:, 0] - disc.x, places[:, 1] - disc.y)
        near = apart < disc.outline(line) + places[:, 2] + 4 * line
        near[index] = False
        others = [discs[other] for other in np.flatnonzero(near).tolist()]
        centre, radius = (disc.x, disc.y), disc.outline(line)
        draw_ring(pixels, centre, radius, STYLES[verdicts[index]], line, others)
    return Image.fromarray(np.rint(pixels).astype(np.uint8))
