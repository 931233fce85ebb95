"""Every model, precision and format, converted and compared: one command, one table, resumable.

``python -m alledge.export.matrix.fill --out matrix``. Each row is written as soon as it is known; a
second start goes on where the first was stopped.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from ...runtime.files import replace_file, write_json
from ...train.networks.architectures import ARCHITECTURES
from ..convert.capabilities import ARTIFACTS, FORMATS, PRECISIONS
from .markdown_page import OK, page
from .model_conversions import Cell, MatrixRow

Json = dict[str, Any]
SCHEMA, SCHEMA_VERSION = "alledge/matrix", 1
RECORD, PAGE = "matrix.json", "matrix.md"
# The paper's head is there to show what it costs; float16 and dynamic are the gap head's.
PRECISIONS_OF = {"gap": PRECISIONS, "paper": ("float32", "int8")}


def cells(models: Iterable[str], heads: Iterable[str] = ("gap", "paper")) -> list[Cell]:
    """Return the rows of the matrix, in their order: all models with one head, then the next."""
    models = list(models)
    return [
        Cell(model, head, precision, form)
        for head in heads
        for model in models
        for precision in PRECISIONS_OF[head]
        for form in FORMATS
    ]


def fill(
    out: Path,
    wanted: list[Cell],
    weights: Path | None = None,
    watch: Callable[[str], None] = lambda title: None,
    bundles: Path | None = None,
) -> Json:
    """Convert what is not in the record yet, and return the record.

    Parameters
    ----------
    out : Path
        Folder of ``matrix.json`` and ``matrix.md``.
    wanted : list of Cell
    weights : Path, optional
        Folder with ``<model>.weights.h5`` of the bases; random weights where there is none.
    watch : callable, optional
        Called with the title of each step.
    bundles : Path, optional
        Folder where every precision of a model is kept as a bundle.

    Returns
    -------
    dict
    """
    out.mkdir(parents=True, exist_ok=True)
    record = _read(out / RECORD)
    missing = _missing(wanted, record, bundles)
    for model, head in dict.fromkeys((cell.model, cell.head) for cell in missing):
        with tempfile.TemporaryDirectory(prefix="alledge-matrix-") as folder:
            bench = MatrixRow(model, head, Path(folder), weights, watch)
            rows = [cell for cell in missing if (cell.model, cell.head) == (model, head)]
            for number, cell in enumerate(rows):
                record["rows"][cell.key] = bench.row(cell)
                record["heads"][f"{model}/{head}"] = bench.cost
                last = number + 1 == len(rows) or rows[number + 1].bundle != cell.bundle
                if bundles is not None and last:
                    bench.bundle(cell.precision, bundles)
                _write(out, record, wanted)
    return record


def _missing(wanted: list[Cell], record: Json, bundles: Path | None) -> list[Cell]:
    """Return the cells to convert; where bundles are wanted, all formats of one together."""
    rows: dict[str, Json] = record["rows"]
    unknown = [cell for cell in wanted if cell.key not in rows]
    if bundles is None:
        return unknown
    gone = [
        cell
        for cell in wanted
        if cell.key in rows
        and rows[cell.key]["status"] == OK
        and not (bundles / cell.bundle / ARTIFACTS[cell.form]).is_file()
    ]
    again = {cell.bundle for cell in unknown + gone}
    return [cell for cell in wanted if cell.bundle in again]


def _write(out: Path, record: Json, wanted: list[Cell]) -> None:
    """Write record and page, rows in the order of the matrix whenever they were made."""
    order = [cell.key for cell in wanted]
    rows = record["rows"]
    first = {key: rows[key] for key in order if key in rows}
    record["rows"] = {**first, **{key: row for key, row in rows.items() if key not in first}}
    write_json(out / RECORD, record)
    with replace_file(out / PAGE) as beside:
        beside.write_text(page(record), encoding="utf-8")


def _read(path: Path) -> Json:
    if path.is_file():
        record: Json = json.loads(path.read_text(encoding="utf-8"))
        return record
    return {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "rows": {}, "heads": {}}


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("matrix"), show_default=True)
@click.option("--models", default=",".join(ARCHITECTURES), show_default=True, help="Which models.")
@click.option("--heads", default="gap,paper", show_default=True, help="Which heads.")
@click.option("--weights", type=click.Path(path_type=Path), help="Folder of <model>.weights.h5.")
@click.option(
    "--bundles", type=click.Path(path_type=Path), help="Keep every artifact, as bundles, here."
)
def main(out: Path, models: str, heads: str, weights: Path | None, bundles: Path | None) -> None:
    """Convert every model in every precision and format, and compare.

    \b
    Example:
      python -m alledge.export.matrix.fill --out matrix --models mobilenetv2,vgg16
    """
    from ..progress import ExportProgress

    wanted = cells(models.split(","), heads.split(","))
    with ExportProgress() as progress:
        record = fill(out, wanted, weights, progress.step, bundles)
    click.echo(page(record))


if __name__ == "__main__":
    main()
