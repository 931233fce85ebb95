"""Every model, precision and format, converted and compared: one command, one table, resumable.

``python -m alledge.export.matrix --out matrix``. Each row is written as soon as it is known; a
second start goes on where the first was stopped.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from ..errors import ExportError
from ..runtime.calibration import Decision
from ..runtime.files import replace_file, write_json
from ..runtime.imaging import ImagePath
from ..train.architectures import ARCHITECTURES, architecture, count, head_row
from . import references
from .capabilities import CAPABILITIES, FORMATS, PRECISIONS
from .conversion import Conversion
from .fitted import smears
from .jobs import Jobs
from .matrix_page import FAILED, OK, REFUSED, page
from .onnx import FLOAT as FLOAT_ONNX
from .parity import FAIL, compare, coverage, judge, positive
from .recipes import ladder
from .source import Reading

Json = dict[str, Any]
SCHEMA, SCHEMA_VERSION = "alledge/matrix", 1
RECORD, PAGE = "matrix.json", "matrix.md"
# The paper's head is there to show what it costs; float16 and dynamic are the gap head's.
PRECISIONS_OF = {"gap": PRECISIONS, "paper": ("float32", "int8")}
LABELS, POSITIVES = ["healthy", "blast"], ["blast"]
READING = Reading(1.0, Decision(0.5, (0.45, 0.55)))
RECIPES = 2  # so many are tried where the first is outside the tolerance
FLOAT_PATH = Path("model") / FLOAT_ONNX


@dataclass(frozen=True)
class Cell:
    """One row of the matrix."""

    model: str
    head: str
    precision: str
    form: str

    @property
    def key(self) -> str:
        """Its name in the record."""
        return "/".join((self.model, self.head, self.precision, self.form))


def cells(models: Iterable[str], heads: Iterable[str] = ("gap", "paper")) -> list[Cell]:
    """Return the rows of the matrix, in their order."""
    return [
        Cell(model, head, precision, form)
        for model in models
        for head in heads
        for precision in PRECISIONS_OF[head]
        for form in FORMATS
    ]


def fill(
    out: Path,
    wanted: list[Cell],
    weights: Path | None = None,
    watch: Callable[[str], None] = lambda title: None,
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

    Returns
    -------
    dict
    """
    out.mkdir(parents=True, exist_ok=True)
    record = _read(out / RECORD)
    for model, head in dict.fromkeys((cell.model, cell.head) for cell in wanted):
        missing = [
            cell
            for cell in wanted
            if (cell.model, cell.head) == (model, head) and cell.key not in record["rows"]
        ]
        if not missing:
            continue
        with tempfile.TemporaryDirectory(prefix="alledge-matrix-") as folder:
            bench = _Bench(model, head, Path(folder), weights, watch)
            for cell in missing:
                record["rows"][cell.key] = bench.row(cell)
                record["heads"][f"{model}/{head}"] = bench.cost
                write_json(out / RECORD, record)
                with replace_file(out / PAGE) as beside:
                    beside.write_text(page(record), encoding="utf-8")
    return record


def _read(path: Path) -> Json:
    if path.is_file():
        record: Json = json.loads(path.read_text(encoding="utf-8"))
        return record
    return {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "rows": {}, "heads": {}}


class _Bench:
    """One model with one head: fitted once, its references chosen once."""

    def __init__(
        self,
        model: str,
        head: str,
        folder: Path,
        weights: Path | None,
        watch: Callable[[str], None],
    ) -> None:
        self.model, self.head, self.folder = model, head, folder
        self.jobs = Jobs(folder, watch)
        file = weights / f"{model}.weights.h5" if weights else None
        self.weights = str(file) if file and file.is_file() else "none"
        counted = count(architecture(model), head_row(head))
        self.cost: Json = {"parameters": counted.network, "flops": None, "weights": "random"}
        if file and self.weights != "none":
            self.cost["weights"] = file.name
        self.title, self.ready = f"{model} {head}", 0
        self.conversion: Conversion | None = None
        self.broken: str | None = None

    def row(self, cell: Cell) -> Json:
        """Convert one cell; a failure is its row."""
        capability = CAPABILITIES[cell.form, cell.precision]
        start = {**vars(cell), "weights": self.cost["weights"]}
        if capability.refused:
            return {**start, "status": REFUSED, "reason": capability.refused}
        begun = len(self.jobs.log)
        try:
            return {**start, **self._made(cell, begun)}
        except ExportError as error:
            return {**start, "status": FAILED, "reason": error.what, **self._route(cell, begun)}

    def _made(self, cell: Cell, begun: int) -> Json:
        conversion = self._prepared()
        begun = max(begun, self.ready)  # what all cells share is counted by route
        tried: list[Json] = []
        for recipe in ladder(cell.form, cell.precision)[:RECIPES]:
            folder = self.folder / "artifact"
            shutil.rmtree(folder, ignore_errors=True)
            try:
                artifact, _ = conversion.artifact(cell.form, cell.precision, recipe, folder)
            except ExportError:
                if not tried:
                    raise
                break  # the first recipe's row stands
            scores = conversion.scores(cell.form, artifact, self.images)
            compared = compare(self.real, scores, READING, READING, LABELS, POSITIVES)
            row = judge(cell.precision, compared, self.covered)
            size = sum(path.stat().st_size for path in folder.iterdir())
            tried.append({"recipe": recipe.name, "bytes": size, **row})
            if row["verdict"] != FAIL:
                break
        if cell.form == "onnx" and self.cost["flops"] is None:
            said = self.jobs.run(f"{self.title}: FLOPs", "flops", onnx=self.folder / FLOAT_PATH)
            self.cost["flops"] = said["flops"]
        best = min(tried, key=lambda row: (row["verdict"] == FAIL, row["mean_dp"]))
        return {"status": OK, **best, **self._route(cell, begun)}

    def _route(self, cell: Cell, begun: int) -> Json:
        """Return seconds and peak memory of the steps from ``model.keras`` to this artifact."""
        shared = {"tflite": ("float graph",) if cell.precision == "float32" else ()}
        names = shared.get(cell.form, ("float graph", "ONNX graph"))
        own = [row for row in self.jobs.log[begun:] if row["step"].endswith(cell.precision)]
        steps = own + [row for row in self.jobs.log if row["step"].endswith(names)]
        return {
            "seconds": round(sum(row.get("seconds", 0.0) for row in steps), 1),
            "peak_mib": max((row.get("peak_mib", 0) for row in steps), default=0),
        }

    def _prepared(self) -> Conversion:
        """Fit the network, make the float graphs and choose the references, once."""
        if self.broken:
            raise ExportError(self.broken)
        if self.conversion is None:
            try:
                self.conversion = self._prepare()
            except ExportError as error:
                self.broken = error.what
                raise
        return self.conversion

    def _prepare(self) -> Conversion:
        title, model = self.title, self.folder / "model.keras"
        self.jobs.run(
            f"{title}: fit",
            "fit",
            model=self.model,
            head=self.head,
            weights=self.weights,
            out=model,
        )
        calibration, _ = smears()
        made = Conversion(
            self.jobs, model, self.folder / "model", title, calibration, tuple(LABELS), title
        )
        quick = made.float_tflite()

        def score(images: NDArray[np.uint8]) -> NDArray[np.float64]:
            return positive(made.scores("tflite", quick, images), READING, LABELS, POSITIVES)

        pool = references.pool(ImagePath())
        pool, p = references.sharpen(pool, score(pool), READING.decision.threshold, score)
        self.images = pool[references.choose(p, READING.decision.threshold)]
        self.real = made.float_scores(self.images)
        self.covered = coverage(self.real, READING, LABELS, POSITIVES)
        self.ready = len(self.jobs.log)
        return made


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("matrix"), show_default=True)
@click.option("--models", default=",".join(ARCHITECTURES), show_default=True, help="Which models.")
@click.option("--heads", default="gap,paper", show_default=True, help="Which heads.")
@click.option("--weights", type=click.Path(path_type=Path), help="Folder of <model>.weights.h5.")
def main(out: Path, models: str, heads: str, weights: Path | None) -> None:
    """Convert every model in every precision and format, and compare.

    \b
    Example:
      python -m alledge.export.matrix --out matrix --models mobilenetv2,vgg16
    """
    from .progress import ExportProgress

    wanted = cells(models.split(","), heads.split(","))
    with ExportProgress() as progress:
        record = fill(out, wanted, weights, progress.step)
    click.echo(page(record))


if __name__ == "__main__":
    main()
