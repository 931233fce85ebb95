"""The cells of a finished cell run, where its data sets are still unchanged."""

from __future__ import annotations

from pathlib import Path

from ..errors import AlledgeError, BundleError, ExportError
from ..runtime.cells.settings import CellSettings
from ..train.data.cells.reading import read_cell_examples
from ..train.data.cells.types import CellExamples
from ..train.runs.predictions import TRAIN_AGAIN
from ..train.runs.run_folder import Run
from ..train.runs.types import CELL
from .source_data import unchanged_dataset


def is_cell_run(run: Run) -> bool:
    """Return whether a run trained on cells."""
    return bool(run.record["task"] == CELL)


def cell_settings(run: Run) -> CellSettings:
    """Return how a cell run found and cut out its cells.

    Raises
    ------
    ExportError
        If the run stores no settings, or those of another version.
    """
    try:
        return CellSettings.from_json(run.record["cells"])
    except (BundleError, KeyError) as error:
        what = error.what if isinstance(error, BundleError) else "it stores no settings of cells"
        raise ExportError(f"the cell run {run.path}: {what}", fix=TRAIN_AGAIN) from None


def read_cells(run: Run) -> CellExamples:
    """Return the cells of a run, found and cut out again.

    Raises
    ------
    ExportError
        If a data set of the run is gone or was changed, or has other labels than the run.
    """
    settings = cell_settings(run)
    sources = run.record.get("sources") or [run.record["data"]]
    datasets = [unchanged_dataset(data, CELL) for data in sources]
    try:
        # the groups are those of the run's split: overlaps need not be searched again
        table = (run.record.get("truth") or {}).get("cells_file")
        cells = read_cell_examples(
            datasets, settings, overlaps=(), cells_file=None if table is None else Path(table)
        )
    except AlledgeError as error:
        raise ExportError(error.one_line) from None
    labels = cells.dataset.labels, cells.dataset.positive
    if labels != (run.labels, run.positive):
        raise ExportError(
            f"the labels of the cells are {', '.join(labels[0])} now, and those of the run are "
            f"{', '.join(run.labels)}",
            fix=TRAIN_AGAIN,
        )
    return cells
