"""The fields of a run: what is known of them, and ``fields.csv``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import RunError
from ...runtime.metrics.field_metrics import JudgedFields
from .predictions import TRAIN_AGAIN, Predictions
from .run_folder import Run, write_table
from .table_reading import TableRow, read_table

if TYPE_CHECKING:
    from pathlib import Path

    from ..data.cells.types import CellExamples

FIELDS = "fields.csv"
COLUMNS = (
    "field", "label", "camera", "group", "fold", "true_blasts", "missed_blasts",
    "compared_blasts", "leucocytes", "blasts", "probability", "threshold",
)  # fmt: skip
UNKNOWN = -1


@dataclass(frozen=True)
class FieldTable:
    """What the data sets of a run say of its fields.

    Parameters
    ----------
    names, labels, cameras, groups : tuple of str
        Of each field.
    true_blasts, missed_blasts : (F,) ndarray of int
        As `JudgedFields`.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    cameras: tuple[str, ...]
    groups: tuple[str, ...]
    true_blasts: NDArray[np.int64]
    missed_blasts: NDArray[np.int64]

    def field_of_cells(self, predictions: Predictions) -> NDArray[np.int64]:
        """Return the index of the field of each cell; -1 if the cell belongs to none.

        Cells that the device would not count, as smudge cells, belong to none.
        """
        index_of = {name: index for index, name in enumerate(self.names)}
        fields = [index_of.get(image.rpartition("#")[0], -1) for image in predictions.images]
        indices = np.array(fields, dtype=np.int64)
        return (
            indices if predictions.counted is None else np.where(predictions.counted, indices, -1)
        )


def field_table(examples: CellExamples) -> FieldTable:
    """Return the fields of cells that were read for training."""
    fields = examples.fields
    blasts = [UNKNOWN if field.blasts is None else field.blasts for field in fields]
    return FieldTable(
        tuple(field.name for field in fields),
        tuple(field.label for field in fields),
        tuple(field.camera for field in fields),
        tuple(field.group for field in fields),
        np.array(blasts, dtype=np.int64),
        np.array([field.missed_blasts for field in fields], dtype=np.int64),
    )


def counted_cells(examples: CellExamples) -> NDArray[np.bool_]:
    """Return which cells the device would find and count, unless it labels them ``other``."""
    flags = examples.flags or ((),) * len(examples.names)
    smudge = np.array(["smudge" in own for own in flags], dtype=bool)
    counted: NDArray[np.bool_] = (examples.field_index >= 0) & ~smudge
    return counted


def write_fields(
    path: Path, table: FieldTable, judged: JudgedFields, folds: NDArray[np.int64]
) -> None:
    """Write one row per field.

    Parameters
    ----------
    path : Path
    table : FieldTable
    judged : JudgedFields
        The same fields.
    folds : (F,) ndarray of int
        The fold that judges each field; 0 if none does.
    """
    rows = (
        [
            table.names[index],
            table.labels[index],
            table.cameras[index],
            table.groups[index],
            int(folds[index]),
            None if table.true_blasts[index] == UNKNOWN else int(table.true_blasts[index]),
            int(table.missed_blasts[index]),
            int(judged.compared_blasts[index]),
            int(judged.leucocytes[index]),
            int(judged.blasts[index]),
            None if np.isnan(judged.probability[index]) else float(judged.probability[index]),
            float(judged.threshold[index]),
        ]
        for index in range(len(table.names))
    )
    write_table(path, COLUMNS, rows)


def read_fields(run: Run) -> FieldTable:
    """Return the fields of a run of cells.

    Parameters
    ----------
    run : Run

    Returns
    -------
    FieldTable
        Without a field if the run was trained on images of single cells only.

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    path = run.path / FIELDS
    if run.record.get("fields") is None:
        return FieldTable((), (), (), (), np.empty(0, np.int64), np.empty(0, np.int64))
    rows = read_table(path, COLUMNS, TRAIN_AGAIN)
    try:
        return _table(rows)
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}", fix=TRAIN_AGAIN) from None


def _table(rows: list[TableRow]) -> FieldTable:
    names = tuple(row["field"] for row in rows)
    if len(set(names)) < len(names):
        raise ValueError("a field occurs twice")
    blasts = [row.index("true_blasts") if row["true_blasts"] else UNKNOWN for row in rows]
    return FieldTable(
        names,
        tuple(row["label"] for row in rows),
        tuple(row["camera"] for row in rows),
        tuple(row["group"] for row in rows),
        np.array(blasts, dtype=np.int64),
        np.array([row.index("missed_blasts") for row in rows], dtype=np.int64),
    )
