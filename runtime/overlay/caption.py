"""The caption below a picture: verdict, probability bar, and lines of text that fit the width."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..records import Result
from ..terminal import printable
from .cell_marks import Colour, MarkStyle, draw_ring

LEAST_PIXELS = 480  # the text of a narrower picture is as large as of this width
STATUS_COLOURS = {"ok": (25, 90, 140), "review": (190, 110, 0), "error": (150, 0, 0)}
GREY, BAR_GREY = (90, 90, 90), (228, 228, 228)
DISCLAIMER = "research software, not a medical device"
SEPARATOR = "  ·  "
LARGE, SMALL = 1.35, 0.72  # heights of the text, in units
HEADING_UNITS, LINE_UNITS, END_UNITS = 2.1, 1.0, 0.9

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Part:
    """A part of a line.

    Parameters
    ----------
    text : str
    mark : MarkStyle or None
        Drawn before the text, as a legend.
    """

    text: str
    mark: MarkStyle | None = None


@dataclass(frozen=True)
class Line:
    """A line of a caption.

    Parameters
    ----------
    parts : tuple of Part or str
        Separated by dots. Where they do not fit the width, a further line begins.
    colour : (int, int, int)
    """

    parts: tuple[Part | str, ...]
    colour: Colour = GREY


def font_of(pixels: float) -> Font:
    """Return the font of a height in pixels."""
    try:
        return ImageFont.load_default(round(pixels))
    except ImportError:  # a Pillow without FreeType has only one size
        return ImageFont.load_default()


def unit_of(width: int) -> int:
    """Return the length that texts and distances are measured in, for a width, in pixels."""
    return max(width, LEAST_PIXELS) // 40


def verdict_text(result: Result, positive: Collection[str]) -> str:
    """Return the label and the probability of a blast, the number that `classify` prints.

    Parameters
    ----------
    result : Result
        With a label and a probability.
    positive : collection of str
        The labels that mean a blast.

    Returns
    -------
    str
        Such as ``healthy  25.4% probability of blast``.
    """
    name = printable(", ".join(sorted(positive)))
    return f"{printable(str(result.label))}  {result.probability:.1%} probability of {name}"


def record_lines(result: Result, notes: Iterable[str] = ()) -> tuple[Line, Line]:
    """Return the lines of every caption: reasons to review, name and notes; and the bundle."""
    flags = [f"review: {', '.join(result.flags)}"] if result.flags else []
    name = [printable(Path(result.image).name)] if result.image else []
    colour = STATUS_COLOURS[result.status] if flags else GREY
    bundle = (printable(result.bundle), result.digest[:19], DISCLAIMER)
    return Line((*flags, *name, *notes), colour), Line(bundle)


def with_caption(
    picture: Image.Image,
    heading: str,
    result: Result,
    lines: Iterable[Line],
    *,
    above: bool = False,
) -> Image.Image:
    """Return a picture with a caption below or above it.

    Parameters
    ----------
    picture : PIL.Image.Image, RGB
    heading : str
    result : Result
        Its status gives the colour of the heading. A bar shows the probability of a blast, with a
        line at the threshold.
    lines : iterable of Line
        Below the heading.
    above : bool

    Returns
    -------
    PIL.Image.Image, RGB
        Of the same width.
    """
    unit = unit_of(picture.width)
    rows = [
        (row, line.colour)
        for line in lines
        for row in wrap(line.parts, unit, picture.width - 2 * unit)
    ]
    height = round((HEADING_UNITS + LINE_UNITS * len(rows) + END_UNITS) * unit)
    page = Image.new("RGB", (picture.width, picture.height + height), "white")
    page.paste(picture, (0, height if above else 0))
    top = unit // 2 if above else picture.height + unit // 2
    _draw_heading(page, top, heading, result)
    for number, (row, colour) in enumerate(rows):
        _draw_row(page, round(top + (HEADING_UNITS + number * LINE_UNITS) * unit), row, colour)
    return page


def _draw_heading(page: Image.Image, top: int, heading: str, result: Result) -> None:
    """Draw the heading, and a bar with the probability of a blast and the threshold beside it."""
    unit, pen = unit_of(page.width), ImageDraw.Draw(page)
    colour, font = STATUS_COLOURS[result.status], font_of(unit * LARGE)
    right = page.width - unit
    heading = fitted(heading, font, right - unit)
    pen.text((unit, top), heading, fill=colour, font=font)
    start = unit * 2 + round(pen.textlength(heading, font=font))
    if result.label is None or result.probability is None or right - start <= 4 * unit:
        return
    line, length = top + unit, right - start
    pen.rectangle((start, line - unit // 4, right, line + unit // 4), fill=BAR_GREY)
    end = start + length * result.probability
    pen.rectangle((start, line - unit // 4, end, line + unit // 4), fill=colour)
    limit = start + length * result.threshold
    pen.line((limit, line - unit // 2, limit, line + unit // 2), fill="black", width=unit // 8 + 1)


def _draw_row(page: Image.Image, top: int, row: Sequence[Part], colour: Colour) -> None:
    unit, pen = unit_of(page.width), ImageDraw.Draw(page)
    font = font_of(unit * SMALL)
    x = float(unit)
    for number, part in enumerate(row):
        if number:
            pen.text((x, top), SEPARATOR, fill=GREY, font=font)
            x += font.getlength(SEPARATOR)
        if part.mark is not None:
            draw_sample(page, (round(x), top), part.mark)
        x += _mark_width(part, unit)
        pen.text((x, top), part.text, fill=colour, font=font)
        x += font.getlength(part.text)


def draw_sample(page: Image.Image, corner: tuple[int, int], style: MarkStyle) -> None:
    """Draw a sample of a mark, as high as a line of text.

    Parameters
    ----------
    page : PIL.Image.Image, RGB
    corner : (int, int)
        Left and top of the line of text.
    style : MarkStyle
    """
    side = unit_of(page.width)
    pixels = np.full((side, side, 3), 255, np.float32)
    centre = (side - 1) / 2
    draw_ring(pixels, (centre, centre), 0.36 * side, style, side / 28)
    page.paste(Image.fromarray(np.rint(pixels).astype(np.uint8)), corner)


def _mark_width(part: Part, unit: int) -> float:
    """Return the width that the sample of a part takes, in pixels."""
    return 0.0 if part.mark is None else 1.2 * unit


def wrap(parts: Iterable[Part | str], unit: int, width: float) -> list[list[Part]]:
    """Return the lines that hold the parts; a part that is too long is cut.

    Parameters
    ----------
    parts : iterable of Part or str
        Empty ones are left out.
    unit : int
        As `unit_of` returns it.
    width : float
        In pixels.
    """
    rows: list[list[Part]] = []
    font, free = font_of(unit * SMALL), 0.0
    for given in parts:
        part = Part(given) if isinstance(given, str) else given
        if not part.text:
            continue
        own = _mark_width(part, unit)
        needed = font.getlength(SEPARATOR) + own + font.getlength(part.text)
        if rows and needed <= free:
            rows[-1].append(part)
            free -= needed
            continue
        part = replace(part, text=fitted(part.text, font, width - own))
        rows.append([part])
        free = width - own - font.getlength(part.text)
    return rows


def fitted(text: str, font: Font, width: float) -> str:
    """Return a text that fits a width in pixels; a longer one ends with ``...``."""
    if font.getlength(text) <= width:
        return text
    count = len(text)
    while count > 1 and font.getlength(f"{text[:count]}...") > width:
        count -= 1
    return f"{text[:count]}..."
