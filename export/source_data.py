"""Reads the data sets of a run again; refuses one that is gone or was changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..errors import AlledgeError, ExportError
from ..runtime.data.datasets import Dataset, read_dataset
from ..runtime.data.layout_types import ReadOptions
from ..train.runs.types import FIELD
from .types import Json


def unchanged_dataset(data: Json, task: str = FIELD) -> Dataset:
    """Return a data set of a run.

    Parameters
    ----------
    data : dict
        As the run describes it (`DataSettings`).
    task : {"field", "cell"}
        Of the run.

    Raises
    ------
    ExportError
        If it is not there any more, or its images or their labels were changed.
    """
    root = data.get("root")
    if not root:
        raise ExportError("the run names no data")
    if not Path(root).is_dir():
        raise ExportError(f"the run's data is not at {root} any more")
    try:
        dataset = read_dataset(root, replace(ReadOptions.from_record(data), task=task))
    except AlledgeError as error:
        raise ExportError(error.one_line) from None
    if dataset.fingerprint() != data["fingerprint"]:
        raise changed_error(root)
    return dataset


def changed_error(root: str) -> ExportError:
    """Return the error for a data set whose images are not those of the run."""
    return ExportError(f"the images under {root} are not those of the run any more")
