"""Converts every model to every precision and format and writes one table.

``python -m alledge.export.matrix.fill --out matrix`` writes each row when it is known. A second
start continues after the last row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from ...errors import ExportError
from ...runtime.files import replace_file, write_json
from ...runtime.json_documents import read_json
from ...runtime.json_schema import check_document
from ...runtime.outputs import check_outputs, is_own_document, make_folder
from ...train.networks.architectures import ARCHITECTURES
from ..convert.capabilities import ARTIFACTS, FORMATS, PRECISIONS
from ..types import Json
from .markdown_page import OK, page
from .model_conversions import MatrixCell, MatrixRow

SCHEMA, SCHEMA_VERSION = "alledge/matrix", 1
RECORD, PAGE = "matrix.json", "matrix.md"
# The paper's head shows what it costs; two precisions are enough for that.
HEAD_PRECISIONS = {"gap": PRECISIONS, "paper": ("float32", "int8")}


def cells(models: Iterable[str], heads: Iterable[str] = ("gap", "paper")) -> list[MatrixCell]:
    """Return the cells of the matrix in order: all models with one head, then the next head."""
    models = list(models)
    return [
        MatrixCell(model, head, precision, form)
        for head in heads
        for model in models
        for precision in HEAD_PRECISIONS[head]
        for form in FORMATS
    ]


def fill(
    out: Path,
    wanted: list[MatrixCell],
    weights: Path | None = None,
    on_step: Callable[[str], None] = lambda title: None,
    bundles: Path | None = None,
) -> Json:
    """Convert the cells that are not in the record yet, and return the record.

    Parameters
    ----------
    out : Path
        Folder of ``matrix.json`` and ``matrix.md``.
    wanted : list of MatrixCell
    weights : Path, optional
        Folder with ``<model>.weights.h5`` of the base networks; random weights without one.
    on_step : callable, optional
        Called with the title of each step.
    bundles : Path, optional
        Folder in which every precision of a model is kept as a bundle.

    Returns
    -------
    dict
        The document ``matrix.json``.
    """
    make_folder(out)
    if not is_own_document(out / RECORD, SCHEMA):
        check_outputs([out / RECORD, out / PAGE], can_force=False)
    record = _read(out / RECORD)
    missing = missing_cells(wanted, record, bundles)
    for model, head in dict.fromkeys((cell.model, cell.head) for cell in missing):
        with (
            tempfile.TemporaryDirectory(prefix="alledge-matrix-") as folder,
            MatrixRow(model, head, Path(folder), weights, on_step) as conversions,
        ):
            row_cells = [cell for cell in missing if (cell.model, cell.head) == (model, head)]
            for number, cell in enumerate(row_cells):
                record["rows"][cell.key] = conversions.row(cell)
                record["heads"][f"{model}/{head}"] = conversions.cost
                is_last = (
                    number + 1 == len(row_cells) or row_cells[number + 1].bundle != cell.bundle
                )
                if bundles is not None and is_last:
                    conversions.write_bundle(cell.precision, bundles)
                _write(out, record, wanted)
    return record


def missing_cells(wanted: list[MatrixCell], record: Json, bundles: Path | None) -> list[MatrixCell]:
    """Return the cells that have no row yet, or no artifact in a bundle.

    Parameters
    ----------
    wanted : list of MatrixCell
    record : dict
        The document ``matrix.json``.
    bundles : Path, optional
        Folder of the bundles. All formats of an incomplete bundle are converted again.
    """
    rows: dict[str, Json] = record["rows"]
    unknown = [cell for cell in wanted if cell.key not in rows]
    if bundles is None:
        return unknown
    deleted = [
        cell
        for cell in wanted
        if cell.key in rows
        and rows[cell.key]["status"] == OK
        and not (bundles / cell.bundle / ARTIFACTS[cell.form]).is_file()
    ]
    incomplete = {cell.bundle for cell in unknown + deleted}
    return [cell for cell in wanted if cell.bundle in incomplete]


def _write(out: Path, record: Json, wanted: list[MatrixCell]) -> None:
    """Write record and page; the rows are in the order of the matrix."""
    order = [cell.key for cell in wanted]
    rows = record["rows"]
    ordered = {key: rows[key] for key in order if key in rows}
    record["rows"] = {**ordered, **rows, **ordered}
    write_json(out / RECORD, record)
    with replace_file(out / PAGE) as partial:
        partial.write_text(page(record), encoding="utf-8")


def _read(path: Path) -> Json:
    if path.is_file():
        fix = f"delete {path}, or name another folder"
        record: Json = read_json(path, error=ExportError, fix=fix)
        check_document(record, "matrix", path, error=ExportError, fix=fix)
        return record
    return {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "rows": {}, "heads": {}}


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("matrix"),
    show_default=True,
    help="Folder of the table.",
)
@click.option(
    "--models", default=",".join(ARCHITECTURES), show_default=True, help="Models to convert."
)
@click.option("--heads", default="gap,paper", show_default=True, help="Heads to convert.")
@click.option("--weights", type=click.Path(path_type=Path), help="Folder of <model>.weights.h5.")
@click.option(
    "--bundles",
    type=click.Path(path_type=Path),
    help="Folder to keep every artifact in, as bundles.",
)
def main(out: Path, models: str, heads: str, weights: Path | None, bundles: Path | None) -> None:
    """Convert every model to every precision and format.

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
