"""The types of what a data set says about the cells of a field: boxes, centroids, table rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import DataError
from .label_spelling import label_key

LEAST_DISTANCE = 2.0  # pixels between the positions of two cells
SAME_CELL = 0.7  # least intersection over union of two boxes of one cell
LEAST_SIDE = 2.0  # pixels: a narrower box is a slip of the mouse


class Box(NamedTuple):
    """A box as its file gives it.

    `x` and `y` are the centre. Positions are NaN where the file lacks them. They are shares of the
    image's sides if `relative`, else pixels with the edge of the first one at 0. `image_size` is
    the size of the image that the boxes were drawn on, (0, 0) if the file does not say.
    """

    label: str
    x: float
    y: float
    width: float
    height: float
    relative: bool
    image_size: tuple[int, int] = (0, 0)


class TrueCell(NamedTuple):
    """A cell that a data set names.

    `x` and `y` are the centre in pixels of the upright image; the centre of the first pixel is
    (0, 0). `width` and `height` are those of its box in pixels, 0 for a position without one.
    """

    label: str
    x: float
    y: float
    width: float = 0.0
    height: float = 0.0

    def contains(self, x: float, y: float) -> bool:
        """Return whether a position lies in the box; never for a position without a box."""
        return abs(x - self.x) < self.width / 2 and abs(y - self.y) < self.height / 2


def check_positions(
    positions: Sequence[tuple[float, float]], size: tuple[int, int], image: Path, source: Path
) -> None:
    """Check the positions of the cells of an image: each is a cell that can be found.

    Parameters
    ----------
    positions : sequence of (float, float)
        x and y, in pixels of the upright image.
    size : tuple of int
        Width and height of the upright image.
    image, source : Path
        The image and the file that names its cells, for the error message.

    Raises
    ------
    DataError
        If a position lies outside the image, or is there twice, also one pixel apart.
    """
    for number, (x, y) in enumerate(positions):
        _check_inside(x, y, size, image, source)
        if any(math.dist((x, y), other) < LEAST_DISTANCE for other in positions[:number]):
            raise DataError(
                f"{source} names the position {x:g} {y:g} for a cell of {image} twice",
                allowed="each cell once",
                fix="remove one of them",
            )


def _check_inside(x: float, y: float, size: tuple[int, int], image: object, source: object) -> None:
    width, height = size
    if not (-0.5 <= x <= width and -0.5 <= y <= height):
        raise DataError(
            f"{source} names the position {x:g} {y:g} for a cell of {image}, outside its "
            f"{width} × {height} pixels",
            allowed="pixels of the upright image at full size",
            fix="correct or remove the position",
        )


def cells_of_boxes(
    boxes: tuple[Box, ...], size: tuple[int, int], source: object
) -> tuple[tuple[TrueCell, ...], int]:
    """Return the cells of an image in pixels, and the number of boxes that are too narrow.

    Boxes of one class that overlap nearly wholly are one cell, the first of them: some tools store
    a box again when it is saved again.

    Parameters
    ----------
    boxes : tuple of Box
    size : tuple of int
        Width and height of the upright image.
    source : object
        The image, for the error message.

    Returns
    -------
    tuple of TrueCell
    int

    Raises
    ------
    DataError
        If a box has no position or its centre lies outside the image, the boxes were drawn on an
        image of another size, or a cell has boxes of two classes.
    """
    cells: list[TrueCell] = []
    narrow = 0
    for box in dict.fromkeys(boxes):
        if not all(map(math.isfinite, (box.x, box.y, box.width, box.height))):
            raise DataError(
                f"a box of {source} has no position",
                allowed="bndbox with xmin, ymin, xmax and ymax",
                fix="export the boxes again",
            )
        if min(box.image_size) > 0 and box.image_size != size:
            drawn, own = ("{} × {}".format(*pixels) for pixels in (box.image_size, size))
            raise DataError(
                f"the boxes of {source} were drawn on an image of {drawn} pixels, but the upright "
                f"image has {own}",
                fix="turn the pixels of the images by their EXIF orientation, then draw or export "
                "the boxes again",
            )
        across, down = size if box.relative else (1, 1)
        cell = TrueCell(
            box.label,
            box.x * across - 0.5,
            box.y * down - 0.5,
            box.width * across,
            box.height * down,
        )
        _check_inside(cell.x, cell.y, size, source, "a box")
        if min(cell.width, cell.height) >= LEAST_SIDE:
            cells.append(cell)
        else:
            narrow += 1
    return _distinct_cells(cells, source), narrow


def _distinct_cells(cells: Sequence[TrueCell], source: object) -> tuple[TrueCell, ...]:
    """Return the cells without those that have an earlier box; refuse two classes of one cell."""
    if len(cells) < 2:
        return tuple(cells)
    x, y, width, height = np.array([cell[1:] for cell in cells], dtype=np.float64).T
    distinct: list[int] = []
    for number, cell in enumerate(cells):
        own = np.array(distinct, dtype=int)
        across = np.minimum((width[own] + width[number]) / 2 - abs(x[own] - x[number]), width[own])
        down = np.minimum((height[own] + height[number]) / 2 - abs(y[own] - y[number]), height[own])
        across, down = np.minimum(across, width[number]), np.minimum(down, height[number])
        common = np.maximum(across, 0) * np.maximum(down, 0)
        union = width[own] * height[own] + width[number] * height[number] - common
        same = own[common >= SAME_CELL * union]
        for other in same.tolist():
            if label_key(cells[other].label) != label_key(cell.label):
                raise DataError(
                    f"{source} has boxes of two classes around one cell at {cell.x:.0f} "
                    f"{cell.y:.0f}: {cells[other].label!r} and {cell.label!r}",
                    allowed=f"one class for boxes of which {SAME_CELL:.0%} are common",
                    fix="remove the wrong box",
                )
        if not len(same):
            distinct.append(number)
    return tuple(cells[number] for number in distinct)
