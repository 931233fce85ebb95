"""Draws one sheet of a gallery: tiles of cells under the headings of their groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from ..cells.results import CellResult
from ..terminal import printable
from .caption import Font, draw_sample, fitted, font_of, unit_of
from .cell_marks import STYLES, Verdict, draw_ring, flag_signs, percent

if TYPE_CHECKING:
    from ..types import RGB

LONGEST_WIDTH, LEAST_WIDTH = 1600, 800  # of a sheet, in pixels
# Width of a tile, by the largest number of tiles of a sheet, in pixels.
TILE_PIXELS = {8: 240, 24: 200, 60: 160, 120: 128}
SMALLEST_TILE = 104
GAP = 0.12  # between tiles, in widths of a tile
TEXT, LEAST_TEXT, LARGEST_TEXT = 0.12, 15, 22  # height: in widths of a tile; in pixels
FRAME = 1.6  # width of a thin line of the frame, in pixels
OUTSIDE = (236, 236, 236)  # colour of what is outside of the field
SMUDGE = "smudge cell"  # heading of the smudge cells


@dataclass(frozen=True)
class Tile:
    """A cell of a sheet.

    Parameters
    ----------
    number : int
        Of the cell in the record, from 1 on.
    cell : CellResult
    verdict : {"positive", "negative", "other", "smudge"}
    x, y : float
        Centre of the nucleus in pixels of the field that the tile is cut from.
    """

    number: int
    cell: CellResult
    verdict: Verdict
    x: float
    y: float

    @property
    def group(self) -> str:
        """The heading that the cell is under."""
        return SMUDGE if self.verdict == "smudge" else self.cell.label


@dataclass(frozen=True)
class _Layout:
    """Sizes of a sheet, in pixels."""

    width: int
    columns: int
    tile: int

    @property
    def gap(self) -> int:
        return round(GAP * self.tile)

    @property
    def text(self) -> int:
        return min(max(round(TEXT * self.tile), LEAST_TEXT), LARGEST_TEXT)

    @property
    def row(self) -> int:
        """Height of a row of tiles with its text."""
        return self.tile + self.gap + round(1.6 * self.text)

    @property
    def heading(self) -> int:
        return 2 * unit_of(self.width)


def _layout(groups: Sequence[Sequence[Tile]]) -> _Layout:
    """Return the sizes of a sheet: the fewer tiles, the larger they are."""
    count = sum(map(len, groups))
    tile = next((size for most, size in TILE_PIXELS.items() if count <= most), SMALLEST_TILE)
    step = tile + round(GAP * tile)
    room = LONGEST_WIDTH - 2 * unit_of(LONGEST_WIDTH) + step - tile
    columns = min(max(map(len, groups), default=1), room // step)
    width = columns * step - (step - tile) + 2 * unit_of(LONGEST_WIDTH)
    return _Layout(max(width, LEAST_WIDTH), columns, tile)


def draw_sheet(
    rgb: RGB, tiles: Sequence[Tile], group_sizes: Mapping[str, int], side: float
) -> Image.Image:
    """Return a sheet of tiles.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
        The field that the tiles are cut from.
    tiles : sequence of Tile
        In their order; those of a group follow each other.
    group_sizes : mapping of str to int
        Number of cells of each group on all sheets.
    side : float
        Width of a tile in pixels of the field.

    Returns
    -------
    PIL.Image.Image, RGB
        A strip of white, if there are no tiles.
    """
    groups: dict[str, list[Tile]] = {}
    for tile in tiles:
        groups.setdefault(tile.group, []).append(tile)
    layout = _layout(list(groups.values()))
    rows = {name: math.ceil(len(group) / layout.columns) for name, group in groups.items()}
    height = sum(layout.heading + count * layout.row for count in rows.values())
    left = unit_of(layout.width)
    sheet = Image.new("RGB", (layout.width, height + left // 2), "white")
    font, top = font_of(layout.text), 0
    for name, group in groups.items():
        _draw_heading(sheet, top, name, group, group_sizes[name])
        top += layout.heading
        for index, tile in enumerate(group):
            row, column = divmod(index, layout.columns)
            corner = (left + column * (layout.tile + layout.gap), top + row * layout.row)
            sheet.paste(_picture(rgb, tile, side, layout.tile), corner)
            _draw_text(sheet, corner, tile, layout.tile, font)
        top += rows[name] * layout.row
    return sheet


def _draw_heading(
    sheet: Image.Image, top: int, name: str, group: Sequence[Tile], size: int
) -> None:
    unit, style = unit_of(sheet.width), STYLES[group[0].verdict]
    count = f"{len(group)}" if len(group) == size else f"{len(group)} of {size}"
    noun = "cell" if size == 1 else "cells"
    end = "" if group[0].verdict in ("positive", "negative") else ", not counted"
    font = font_of(unit * 0.9)
    text = fitted(f"{printable(name)}: {count} {noun}{end}", font, sheet.width - 4 * unit)
    draw_sample(sheet, (unit, top + unit // 2), style)
    ImageDraw.Draw(sheet).text((2.3 * unit, top + 0.4 * unit), text, fill=style.colour, font=font)


def _picture(rgb: RGB, tile: Tile, side: float, pixels: int) -> Image.Image:
    """Return the square around a nucleus with its frame."""
    left, top = tile.x + 0.5 - side / 2, tile.y + 0.5 - side / 2
    first_x, first_y, size = math.floor(left) - 1, math.floor(top) - 1, math.ceil(side) + 3
    canvas = np.empty((size, size, 3), np.uint8)
    canvas[:] = OUTSIDE
    rows = slice(max(first_y, 0), max(first_y + size, 0))
    columns = slice(max(first_x, 0), max(first_x + size, 0))
    part = rgb[rows, columns]
    y, x = rows.start - first_y, columns.start - first_x
    canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    box = (left - first_x, top - first_y, left - first_x + side, top - first_y + side)
    square = Image.fromarray(canvas).resize((pixels, pixels), Image.Resampling.BICUBIC, box=box)
    frame = np.array(square, np.float32)
    style = replace(STYLES[tile.verdict], is_square=True)
    middle = (pixels - 1) / 2
    draw_ring(frame, (middle, middle), (pixels - style.width * FRAME) / 2, style, FRAME)
    return Image.fromarray(np.rint(frame).astype(np.uint8))


def _draw_text(
    sheet: Image.Image, corner: tuple[int, int], tile: Tile, pixels: int, font: Font
) -> None:
    """Draw the number and the probability below a tile."""
    pen, colour = ImageDraw.Draw(sheet), STYLES[tile.verdict].colour
    left, top = corner[0], corner[1] + pixels + round(0.03 * pixels)
    probability = f"{percent(tile.cell.probability)}{flag_signs(tile.cell)}"
    pen.text((left, top), str(tile.number), fill=(90, 90, 90), font=font)
    right = left + pixels - font.getlength(probability)
    pen.text((right, top), probability, fill=colour, font=font)
