"""Finds free places for labels beside the cells of a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cell_marks import Disc

DIRECTIONS = 16
DISTANCES = (0.1, 0.7, 1.5, 2.5, 4.0)  # in heights of the label
FIRST_DIRECTION = -math.pi / 4  # up and to the right
LEADER_DISTANCE = 0.5  # in heights of the label; a label that is farther away gets a line

Point = tuple[float, float]


@dataclass(frozen=True)
class Place:
    """A place for a label.

    Parameters
    ----------
    left, top, width, height : int
        Of the label, in pixels.
    leader : (Point, Point) or None
        Ends of the line from the outline to the label; None if the label is beside its cell.
    """

    left: int
    top: int
    width: int
    height: int
    leader: tuple[Point, Point] | None

    @property
    def area(self) -> tuple[slice, slice]:
        """Rows and columns of the label."""
        rows = slice(self.top, self.top + self.height)
        return rows, slice(self.left, self.left + self.width)


class LabelPlacement:
    """The places of a picture that are free.

    A label covers neither a nucleus nor another label, and does not leave the picture. Where it
    can, it keeps clear of the outlines too.

    Parameters
    ----------
    size : (int, int)
        Width and height of the picture in pixels.
    nuclei : sequence of Disc
    line : float
        Width of a thin line in pixels.
    distances : sequence of float
        Of a label from the outline, in heights of the label; the first free one is taken.
    """

    def __init__(
        self,
        size: tuple[int, int],
        nuclei: Sequence[Disc],
        line: float,
        distances: Sequence[float] = DISTANCES,
    ) -> None:
        width, height = size
        self._line, self._distances = line, distances
        self._taken = np.zeros((height, width), bool)
        self._outlined = np.zeros((height, width), bool)
        for disc in nuclei:
            _fill(self._taken, disc, disc.radius + line)
            _fill(self._outlined, disc, disc.outline(line) + 2 * line)

    def take(self, disc: Disc, width: int, height: int) -> Place | None:
        """Find the place for the label of a cell, and take it.

        Parameters
        ----------
        disc : Disc
        width, height : int
            Of the label, in pixels.

        Returns
        -------
        Place or None
            None if no place near the cell is free.
        """
        choice = None
        for place in self._places(disc, width, height):
            if not self._is_free(place):
                continue
            if not self._outlined[place.area].any():
                choice = place
                break
            choice = choice or place
        if choice is not None:
            self._taken[choice.area] = True
            for x, y in _points(choice):
                self._taken[y, x] = True
        return choice

    def _places(self, disc: Disc, width: int, height: int) -> Iterator[Place]:
        """Yield the places around a cell, from the best to the worst; they may be taken."""
        rim = disc.outline(self._line) + self._line
        for distance in self._distances:
            for step in range(DIRECTIONS):
                # alternately to both sides of the first direction
                turn = (step + 1) // 2 * (-1) ** step * 2 * math.pi / DIRECTIONS
                across = math.cos(FIRST_DIRECTION + turn)
                down = math.sin(FIRST_DIRECTION + turn)
                reach = rim + distance * height
                # the label touches the circle with a corner, or with the middle of a side
                x = disc.x + across * reach + min(max(1.4 * across, -1), 1) * width / 2
                y = disc.y + down * reach + min(max(1.4 * down, -1), 1) * height / 2
                left, top = round(x - width / 2), round(y - height / 2)
                leader = None
                if distance > LEADER_DISTANCE:
                    start = (disc.x + across * rim, disc.y + down * rim)
                    nearest_x = min(max(start[0], left), left + width - 1)
                    nearest_y = min(max(start[1], top), top + height - 1)
                    leader = (start, (nearest_x, nearest_y))
                yield Place(left, top, width, height, leader)

    def _is_free(self, place: Place) -> bool:
        rows, columns = self._taken.shape
        is_inside = (
            place.left >= 0
            and place.top >= 0
            and place.left + place.width <= columns
            and place.top + place.height <= rows
        )
        if not is_inside or self._taken[place.area].any():
            return False
        return not any(
            not (0 <= x < columns and 0 <= y < rows) or self._taken[y, x] for x, y in _points(place)
        )


def _points(place: Place) -> list[tuple[int, int]]:
    """Return the pixels of the leader, (x, y)."""
    if place.leader is None:
        return []
    start, end = place.leader
    count = max(round(math.dist(start, end)), 1)
    shares = [number / count for number in range(count + 1)]
    return [
        (round(start[0] + (end[0] - start[0]) * s), round(start[1] + (end[1] - start[1]) * s))
        for s in shares
    ]


def _fill(mask: NDArray[np.bool_], disc: Disc, radius: float) -> None:
    """Set the pixels of a disc with another radius."""
    top, left = max(math.floor(disc.y - radius), 0), max(math.floor(disc.x - radius), 0)
    patch = mask[
        top : max(math.ceil(disc.y + radius) + 1, 0), left : max(math.ceil(disc.x + radius) + 1, 0)
    ]
    y = np.arange(top, top + patch.shape[0])[:, None] - disc.y
    x = np.arange(left, left + patch.shape[1])[None, :] - disc.x
    patch |= x * x + y * y <= radius * radius
