"""The options of every command that reads a data set; imports click only."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..option_types import FilePath


def dataset_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--layout``, ``--positive`` and ``--labels`` to a command.

    Parameters
    ----------
    command : callable
        Takes them as one keyword argument ``read_options``, a `ReadOptions`.

    Returns
    -------
    callable
    """

    @click.option("--layout", metavar="NAME", help="Of the data set.  [default: detected]")
    @click.option(
        "--positive",
        multiple=True,
        metavar="LABEL",
        help="A class that means leukaemia; may be repeated.  [default: by the names]",
    )
    @click.option(
        "--labels",
        "labels_file",
        type=FilePath(path_type=Path),
        metavar="FILE.csv",
        help="Label of each image, and the patient, if it has a column of that name.",
    )
    @functools.wraps(command)
    def with_options(
        *arguments: Any,
        layout: str | None,
        positive: tuple[str, ...],
        labels_file: Path | None,
        **options: Any,
    ) -> None:
        from .layout_types import ReadOptions

        read_options = ReadOptions(layout, positive, labels_file)
        command(*arguments, read_options=read_options, **options)

    return with_options
