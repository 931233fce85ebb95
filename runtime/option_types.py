"""Types of command-line options; imports click only."""

from __future__ import annotations

import math
import os
from typing import Any

import click

MOST_THREADS = 1024
LARGEST_COUNT = 1_000_000  # where nothing else limits a number of rounds, images or epochs
LARGEST_FLOAT = 1e9


class FiniteFloatRange(click.FloatRange):
    """A range of floats that always ends, without nan, which `click.FloatRange` accepts.

    Parameters
    ----------
    least, most : float
    min_open : bool
        Whether `least` itself is not allowed.
    """

    def __init__(
        self, least: float = 0.0, most: float = LARGEST_FLOAT, min_open: bool = False
    ) -> None:
        super().__init__(least, most, min_open=min_open)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not a number.", param, ctx)
        return number


class Count(click.IntRange):
    """A range of whole numbers that always ends.

    Parameters
    ----------
    least, most : int
    """

    def __init__(self, least: int = 1, most: int = LARGEST_COUNT) -> None:
        super().__init__(least, most)


class FilePath(click.Path):
    """A path that is not empty, because an empty one means the current folder to `Path`."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        if not os.fspath(value):
            self.fail("the name is empty; the current folder is '.'.", param, ctx)
        return super().convert(value, param, ctx)
