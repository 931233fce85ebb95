"""The marks of the verdicts on cells: colours and line styles, which differ in grey too.

The colours are those that people with a colour vision deficiency can tell apart.

References
----------
M. Okabe, K. Ito, "Color universal design", 2008.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..cells.field_rule import OTHER
from ..cells.results import CellResult

Verdict = Literal["positive", "negative", "other", "smudge"]
Colour = tuple[int, int, int]
Pixels = NDArray[np.float32]

POSITIVE = ("blast",)  # the labels that mean a blast, where the bundle does not say it
MARGIN = 1.4  # radius of an outline, in radii of the nucleus
LEAST_MARGIN = 3.0  # distance of an outline from the nucleus, in line widths
HALO = 0.75  # width of the white line on both sides of an outline, in line widths
HALO_OPACITY = 0.8


@dataclass(frozen=True)
class MarkStyle:
    """How the cells of one verdict are drawn.

    Parameters
    ----------
    name : str
        Of the verdict, for people.
    colour : (int, int, int)
        Red, green and blue.
    width : float
        Of the line, relative to a thin line.
    dash, gap : float
        Lengths in line widths of a thin line; no `gap`: a solid line.
    is_square : bool
        A square instead of a circle.
    """

    name: str
    colour: Colour
    width: float
    dash: float
    gap: float
    is_square: bool = False


STYLES: dict[Verdict, MarkStyle] = {
    "positive": MarkStyle("blast", (200, 70, 0), 2.6, 1.0, 0.0),
    "negative": MarkStyle("no blast", (0, 90, 160), 1.3, 7.0, 4.5),
    "other": MarkStyle("no leucocyte", (60, 60, 60), 1.3, 1.6, 3.4),
    "smudge": MarkStyle("smudge cell", (60, 60, 60), 1.3, 1.6, 3.4, is_square=True),
}
# The flags of a cell, the signs beside its number, and their explanation.
FLAG_SIGNS = {
    "indeterminate": ("?", "indeterminate"),
    "unfamiliar": ("!", "unfamiliar"),
    "clipped": ("c", "clipped by the edge"),
}


def verdict_of(cell: CellResult, positive: Collection[str] = POSITIVE) -> Verdict:
    """Return the verdict on a cell.

    Parameters
    ----------
    cell : CellResult
    positive : collection of str
        The labels that mean a blast.

    Returns
    -------
    {"positive", "negative", "other", "smudge"}
    """
    if "smudge" in cell.flags:
        return "smudge"
    if cell.label == OTHER:
        return "other"
    return "positive" if cell.label in positive else "negative"


def flag_signs(cell: CellResult) -> str:
    """Return the signs of a cell's flags after a blank, for example `` ?!``; empty without one."""
    signs = "".join(sign for flag, (sign, _) in FLAG_SIGNS.items() if flag in cell.flags)
    return signs and f" {signs}"


def percent(probability: float) -> str:
    """Return a probability in percent; only 0 and 1 are shown as 0 % and 100 %."""
    if 0 < probability < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= probability < 1 else f"{probability:.0%}"


@dataclass(frozen=True)
class Disc:
    """A nucleus in pixels of the picture; the centre of the first pixel is (0, 0)."""

    x: float
    y: float
    radius: float

    def outline(self, line: float) -> float:
        """Return the radius of the outline, for the width of a thin line in pixels."""
        return max(MARGIN * self.radius, self.radius + LEAST_MARGIN * line)


def draw_ring(
    pixels: Pixels,
    centre: tuple[float, float],
    radius: float,
    style: MarkStyle,
    line: float,
    others: Sequence[Disc] = (),
) -> None:
    """Draw a circle, or the square around it, except where it would cover another nucleus.

    Parameters
    ----------
    pixels : (H, W, 3) ndarray of float32
        Changed in place.
    centre : (float, float)
        x and y; the centre of the first pixel is (0, 0).
    radius : float
        In pixels.
    style : MarkStyle
    line : float
        Width of a thin line in pixels.
    others : sequence of Disc
        The nuclei that are not covered.
    """
    width = style.width * line
    reach = radius + width + HALO * line + 1
    left, top = (max(math.floor(place - reach), 0) for place in centre)
    right, bottom = (max(math.ceil(place + reach) + 1, 0) for place in centre)
    patch = pixels[top:bottom, left:right]
    x = np.arange(left, left + patch.shape[1], dtype=np.float32)[None, :]
    y = np.arange(top, top + patch.shape[0], dtype=np.float32)[:, None]
    dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
    distance = np.maximum(abs(dx), abs(dy)) if style.is_square else np.hypot(dx, dy)
    gap = abs(distance - radius)
    visible = np.ones(patch.shape[:2], np.float32)
    for other in others:
        apart = np.hypot(x - np.float32(other.x), y - np.float32(other.y))
        visible *= apart > other.radius + line
    halo = np.clip(width / 2 + HALO * line + 0.5 - gap, 0, 1) * visible * HALO_OPACITY
    stroke = np.clip(width / 2 + 0.5 - gap, 0, 1) * visible
    if style.gap:
        stroke *= _dashes(dx, dy, radius / line, style)
    patch += halo[..., None] * (255 - patch)
    patch += stroke[..., None] * (np.array(style.colour, np.float32) - patch)


def _dashes(dx: Pixels, dy: Pixels, radius: float, style: MarkStyle) -> Pixels:
    """Return 1 on the dashes and 0 between them; the radius is in line widths."""
    if style.is_square:  # the position along the side that is next
        place = np.where(abs(dx) > abs(dy), dy, dx) / np.maximum(np.maximum(abs(dx), abs(dy)), 1e-6)
        turns, length = (place + 1) / 2, 2 * radius
    else:
        turns, length = np.arctan2(dy, dx) / (2 * np.pi) + 0.5, 2 * np.pi * radius
    count = max(round(length / (style.dash + style.gap)), 4)
    period = length / count
    phase = (turns * count + 0.5 * style.dash / period) % 1 * period
    return (phase < style.dash).astype(np.float32)
