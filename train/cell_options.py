"""The options ``--task`` and ``--crop-…`` of ``alledge train`` and ``alledge study``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import UsageError
from ..runtime.cells.crop_settings import (
    MAX_SIZE,
    MAX_WIDTH,
    MIN_SIZE,
    MIN_WIDTH,
    UNITS,
    CropSettings,
)
from ..runtime.option_types import Count, FiniteFloatRange

if TYPE_CHECKING:
    from ..runtime.cells.settings import CellSettings

Command = TypeVar("Command", bound=Callable[..., Any])
FIELD, CELL = "field", "cell"
DEFAULT = CropSettings()
OPTIONS = (
    click.option(
        "--task",
        default=FIELD,
        show_default=True,
        type=click.Choice([FIELD, CELL]),
        help="What the network judges: the whole field, or each nucleated cell in it.",
    ),
    click.option(
        "--crop-size",
        type=Count(MIN_SIZE, MAX_SIZE),
        help=f"Cells: side of a cell's square, in pixels.  [default: {DEFAULT.size}]",
    ),
    click.option(
        "--crop-unit",
        type=click.Choice(UNITS),
        help=f"Cells: the diameter that --crop-width counts.  [default: {DEFAULT.unit}]",
    ),
    click.option(
        "--crop-width",
        type=FiniteFloatRange(MIN_WIDTH, MAX_WIDTH),
        help=f"Cells: side of the square in the field, in units.  [default: {DEFAULT.width:g}]",
    ),
    click.option(
        "--white-balance/--no-white-balance",
        default=None,
        help="Cells: make the background of every field equally white.  "
        f"[default: {'on' if DEFAULT.white_balance else 'off'}]",
    ),
)


def cell_options(command: Command) -> Command:
    """Add the options to a command, which gets ``task`` and ``cells``, a `CellSettings`.

    Raises
    ------
    UsageError
        If a crop is set for the task ``field``.
    """

    @functools.wraps(command)
    def with_settings(
        *args: Any,
        task: str,
        crop_size: int | None,
        crop_unit: str | None,
        crop_width: float | None,
        white_balance: bool | None,
        **options: Any,
    ) -> Any:
        crop = {
            "size": crop_size,
            "unit": crop_unit,
            "width": crop_width,
            "white_balance": white_balance,
        }
        settings = _cell_settings(task, {k: v for k, v in crop.items() if v is not None})
        return command(*args, task=task, cells=settings, **options)

    for option in reversed(OPTIONS):
        with_settings = option(with_settings)
    return with_settings  # type: ignore[return-value]


def _cell_settings(task: str, crop: dict[str, Any]) -> CellSettings:
    from ..runtime.cells.settings import CellSettings

    if crop and task == FIELD:
        names = ", ".join(
            "--white-balance" if name == "white_balance" else f"--crop-{name}" for name in crop
        )
        raise UsageError(f"{names} is an option of cells, and the task is field", fix="--task cell")
    return CellSettings(crop=CropSettings(**crop))
