"""The labels of the cells of a picture: number and probability, in the largest text with room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ..cells.results import CellResult
from .caption import Font, font_of
from .cell_marks import STYLES, Disc, Verdict, flag_signs, percent
from .label_placement import DISTANCES, LabelPlacement, Place

TEXT_SHARES = (1 / 64, 1 / 80, 1 / 100, 1 / 125)  # heights that are tried, in lengths of a side
LEAST_TEXT = 11  # pixels
MOST_LABELS = 0.9  # share of the cells that have room for a label in the usual height
PADDING = 0.22  # around the text of a label, in heights of the text
# With more cells: only the smallest text; only numbers beside their cells. This bounds the time.
MANY_CELLS, CROWD = 300, 1000


@dataclass(frozen=True)
class Label:
    """The label of a cell, and where it is."""

    text: str
    font: Font
    verdict: Verdict
    place: Place


def place_labels(
    size: tuple[int, int],
    cells: Sequence[CellResult],
    discs: Sequence[Disc],
    verdicts: Sequence[Verdict],
    line: float,
    side: int,
) -> list[Label]:
    """Return the labels that have room.

    Their usual height is the largest in which most cells have room for a label. The others get a
    smaller label, or only their number.

    Parameters
    ----------
    size : (int, int)
        Width and height of the picture in pixels.
    cells : sequence of CellResult
    discs : sequence of Disc
        Their nuclei in the picture.
    verdicts : sequence of str
        Of the cells. Blasts take their places first.
    line : float
        Width of a thin line in pixels.
    side : int
        Length in pixels that the height of the text is relative to.

    Returns
    -------
    list of Label
    """
    numbers = [str(index + 1) for index in range(len(cells))]
    texts = [
        f"{number}  {percent(cell.probability)}{flag_signs(cell)}"
        for number, cell in zip(numbers, cells, strict=True)
    ]
    fonts = [font_of(max(side * share, LEAST_TEXT)) for share in TEXT_SHARES]
    if len(cells) > CROWD:
        placement = LabelPlacement(size, discs, line, DISTANCES[:1])
        return list(_place(placement, discs, verdicts, numbers, fonts[-1], {}).values())
    fonts = fonts[-1:] if len(cells) > MANY_CELLS else fonts
    while True:
        placement = LabelPlacement(size, discs, line)
        labels = _place(placement, discs, verdicts, texts, fonts[0], {})
        if len(fonts) == 1 or len(labels) >= MOST_LABELS * len(cells):
            break
        fonts = fonts[1:]
    for font in fonts[1:]:
        labels = _place(placement, discs, verdicts, texts, font, labels)
    return list(_place(placement, discs, verdicts, numbers, fonts[-1], labels).values())


def _place(
    placement: LabelPlacement,
    discs: Sequence[Disc],
    verdicts: Sequence[Verdict],
    texts: Sequence[str],
    font: Font,
    placed: dict[int, Label],
) -> dict[int, Label]:
    """Return the labels by the index of their cells: those placed, and those that have room now."""
    labels = dict(placed)
    for index in sorted(range(len(discs)), key=lambda i: verdicts[i] != "positive"):
        if index in labels:
            continue
        place = placement.take(discs[index], *_label_size(texts[index], font))
        if place is not None:
            labels[index] = Label(texts[index], font, verdicts[index], place)
    return labels


def _label_size(text: str, font: Font) -> tuple[int, int]:
    """Return width and height of a label in pixels; all labels of a font are equally high."""
    left, _, right, _ = font.getbbox(text)
    _, top, _, bottom = font.getbbox("0")
    padding = PADDING * (bottom - top)
    return math.ceil(right - left + 4 * padding), math.ceil(bottom - top + 4 * padding)


def draw_label(picture: Image.Image, label: Label, line: float) -> None:
    """Draw a label: white text on the colour of a blast, or coloured text on white."""
    pen, place, font = ImageDraw.Draw(picture), label.place, label.font
    colour, is_positive = STYLES[label.verdict].colour, label.verdict == "positive"
    if place.leader is not None:
        pen.line(place.leader, fill="white", width=round(3 * line))
        pen.line(place.leader, fill=colour, width=max(round(line), 1))
    right, bottom = place.left + place.width - 1, place.top + place.height - 1
    pen.rectangle((place.left, place.top, right, bottom), fill=colour if is_positive else "white")
    left, _, text_right, _ = font.getbbox(label.text)
    _, top, _, text_bottom = font.getbbox("0")
    x = place.left + (place.width - (text_right - left)) / 2 - left
    y = place.top + (place.height - (text_bottom - top)) / 2 - top
    fill = "white" if is_positive else colour
    pen.text((round(x), round(y)), label.text, fill=fill, font=font)
