"""Draws the cells of a field as sheets of tiles, by label and probability."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ...errors import ImageError, UsageError
from ..cells.results import CellResult
from ..imaging import load_field
from ..records import Result
from .caption import record_lines, with_caption
from .cell_caption import caption_lines, field_heading
from .cell_marks import POSITIVE, STYLES, verdict_of
from .cell_sheet import Tile, draw_sheet
from .picture_folder import GALLERIES, PictureFolder

if TYPE_CHECKING:
    from ..types import ImageSource

CELLS_A_SHEET = 200
FIELD_PIXELS = 2000  # least width and height of the field that the tiles are cut from, if it has it
SURROUNDINGS = 2.4  # width of a tile, in median diameters of the nuclei
LARGEST_NUCLEUS = 1.25  # width of a tile, in diameters of the largest nucleus that fits into it
LARGEST_TILE = 2.0  # width of a tile, in widths that the median nucleus needs


class Galleries:
    """Writes the galleries of fields into a folder.

    Parameters
    ----------
    folder : str or Path
        Created if it does not exist.
    images : iterable of str or Path
        The images whose galleries will be written, as far as they are known. Their names are
        chosen and checked now.
    force : bool
        Replace galleries that exist.
    positive : collection of str
        The labels that mean a blast.

    Raises
    ------
    UsageError
        If the folder cannot be created or written, or holds a file with the name of a gallery.
    """

    def __init__(
        self,
        folder: str | Path,
        images: Iterable[str | Path] = (),
        *,
        force: bool = False,
        positive: Collection[str] = POSITIVE,
    ) -> None:
        self._pictures = PictureFolder(folder, GALLERIES, images, force=force)
        self._positive = positive

    def write(self, source: ImageSource, result: Result) -> tuple[Path, ...]:
        """Write the sheets of one field.

        Parameters
        ----------
        source : as of `load_rgb`
            The classified image.
        result : Result
            With `cells` and `counts`.

        Returns
        -------
        tuple of Path
            ``<name of the image>.cells.jpg`` in the folder, and for more than `CELLS_A_SHEET` cells
            ``<name of the image>.sheet-2.cells.jpg`` and so on.

        Raises
        ------
        AlledgeError
            If the image cannot be read any more, or a file exists or cannot be written.
        ValueError
            As `draw_gallery`.
        """
        sheets = draw_gallery(source, result, positive=self._positive)
        return self._pictures.save_sheets(result.image, sheets)


def draw_gallery(
    source: ImageSource, result: Result, *, positive: Collection[str] = POSITIVE
) -> Iterator[Image.Image]:
    """Yield the sheets of the cells of a field.

    The cells are grouped by label and sorted by the probability that they are blasts: labels that
    mean a blast first, what is not counted last. All tiles have the same scale, and the colours of
    the image. The numbers are those of `draw_cells`.

    Parameters
    ----------
    source : as of `load_rgb`
        The classified image.
    result : Result
        With `cells` and `counts`.
    positive : collection of str
        The labels that mean a blast.

    Yields
    ------
    PIL.Image.Image, RGB
        At least one, of at most `CELLS_A_SHEET` cells, from 800 to 1600 pixels wide.

    Raises
    ------
    UsageError
        If the image cannot be read any more.
    ValueError
        If the result has no cells, as that of a single cell or of another bundle.
    """
    if result.cells is None:
        raise ValueError("a result without cells has no gallery")
    try:
        rgb, _, reduction = load_field(source, FIELD_PIXELS)
    except ImageError as error:
        raise UsageError(f"no gallery can be drawn: {error.what}") from None
    tiles = _sorted_tiles(result.cells, positive, reduction)
    side = _side(result.cells)
    count = max(math.ceil(len(tiles) / CELLS_A_SHEET), 1)
    for number in range(count):
        # sheets of equal numbers of cells
        own = tiles[number * len(tiles) // count : (number + 1) * len(tiles) // count]
        sheet = draw_sheet(rgb, own, Counter(tile.group for tile in tiles), side / reduction)
        notes = [f"sheet {number + 1} of {count}"] if count > 1 else []
        lines = [*caption_lines(result, positive), *record_lines(result, notes)]
        yield with_caption(sheet, field_heading(result, positive), result, lines, above=True)


def _sorted_tiles(
    cells: Sequence[CellResult], positive: Collection[str], reduction: float
) -> list[Tile]:
    """Return the cells by verdict, then by label, then by probability."""
    tiles = [
        Tile(
            number + 1,
            cell,
            verdict_of(cell, positive),
            (cell.x + 0.5) / reduction - 0.5,
            (cell.y + 0.5) / reduction - 0.5,
        )
        for number, cell in enumerate(cells)
    ]
    verdicts = list(STYLES)
    sizes = Counter(tile.group for tile in tiles)
    return sorted(
        tiles,
        key=lambda tile: (
            verdicts.index(tile.verdict),
            -sizes[tile.group],
            tile.group,
            -tile.cell.probability,
            tile.number,
        ),
    )


def _side(cells: Sequence[CellResult]) -> float:
    """Return the width of all tiles in pixels of the original."""
    if not cells:
        return 1.0
    diameters = 2 * np.array([cell.radius for cell in cells])
    usual = SURROUNDINGS * float(np.median(diameters))
    return min(max(usual, LARGEST_NUCLEUS * float(diameters.max())), LARGEST_TILE * usual)
