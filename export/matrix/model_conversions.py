"""One model with one head, converted in every way: fitted once, its references chosen once.

No data set is needed: the head is fitted on generated smears. Loads no converter itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ExportError
from ...runtime.image_settings import ImageSettings
from ...runtime.metrics.decisions import Thresholds
from ...runtime.tflite_graph import count_flops
from ...train.networks.architectures import architecture, count_parameters, head_row
from ...train.provenance import code_version
from ..bundle.assembly import NO_DECISION, References, assemble, bundle_record, format_entry
from ..convert.capabilities import CAPABILITIES, GATED
from ..convert.conversion import Conversion
from ..convert.jobs import Jobs
from ..convert.quantization_recipes import Recipe, ladder
from ..convert.worker import FLOAT_TFLITE
from ..gate import reference_images
from ..gate.parity import FAIL, between, compare, coverage, judge, positive
from ..options import Artifact, Scores, bundle_name
from ..source_run import DecisionRule
from .fitted_network import FIELDS, SEED, smears
from .markdown_page import FAILED, OK, REFUSED

Json = dict[str, Any]
Images = NDArray[np.uint8]
LABELS, POSITIVES = ["healthy", "blast"], ["blast"]
READING = DecisionRule(1.0, Thresholds(0.5, (0.45, 0.55)))
CALIBRATION = 32  # of the fitted smears, half with blasts: more cost each of 60 conversions
# Every third image of the pool, in which healthy and not take turns: the largest networks take
# minutes for all of it.
POOL_STEP = 3
RECIPES = 2  # so many are tried where the first is outside the tolerance
NO_GATE = "the last layer was fitted on generated smears: there are no out-of-fold predictions"


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

    @property
    def bundle(self) -> str:
        """The name of the bundle that it is part of."""
        return bundle_name(self.model, self.head, self.precision)


class MatrixRow:
    """One model with one head: fitted once, its references chosen once.

    Parameters
    ----------
    model, head : str
    folder : Path
        For the network, half-way results and artifacts.
    weights : Path, optional
        Folder with ``<model>.weights.h5`` of the base; random weights where there is none.
    watch : callable, optional
        Called with the title of each step.
    settings : ImageSettings, optional
        Of the images that the network takes.
    network : Path, optional
        A ``model.keras`` instead of one whose last layer is fitted here.
    """

    def __init__(
        self,
        model: str,
        head: str,
        folder: Path,
        weights: Path | None = None,
        watch: Callable[[str], None] = lambda title: None,
        settings: ImageSettings | None = None,
        network: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.model, self.head, self.folder = model, head, folder
        self.settings, self.network = settings or ImageSettings(), network
        self.jobs = Jobs(folder, watch)
        file = weights / f"{model}.weights.h5" if weights else None
        self.weights = file if file and file.is_file() else None
        counted = count_parameters(architecture(model), head_row(head))
        self.cost: Json = {
            "parameters": counted.network,
            "flops": None,
            "weights": self.weights.name if self.weights else "random",
        }
        self.made: dict[str, dict[str, Artifact]] = {}  # by precision, then by format
        self.title, self.ready = f"{model} {head}", 0
        self.calibration: Images | None = None
        self.broken: str | None = None

    def row(self, cell: Cell) -> Json:
        """Convert one cell and return its row; a failure is its row too."""
        capability = CAPABILITIES[cell.form, cell.precision]
        start = {**vars(cell), "weights": self.cost["weights"]}
        if capability.refused:
            return {**start, "status": REFUSED, "reason": capability.refused}
        begun = len(self.jobs.log)
        try:
            return {**start, **self._converted(cell, begun)}
        except ExportError as error:
            return {**start, "status": FAILED, "reason": error.what, **self._route(cell, begun)}

    def bundle(self, precision: str, out: Path) -> bool:
        """Write what was converted to a precision as a bundle; return whether there was anything.

        An artifact outside the tolerance goes in too, and its `parity.json` says *fail*: the
        bundle is for measuring engines, and `alledge verify` passes on what is said there.
        """
        made = self.made.pop(precision, {})
        if not made:
            return False
        calibrated = None
        if precision == "int8" and self.calibration is not None:
            calibrated = {"source": "generated smears", "images": len(self.calibration)}
        formats = {
            form: format_entry(row, precision, NO_DECISION, calibrated)
            for form, row in made.items()
        }
        name = bundle_name(self.model, self.head, precision)
        record = bundle_record(self._provenance(), name, precision, formats)
        assemble(out / name, True, record, made, References(self.images, self.real))
        return True

    def _provenance(self) -> Json:
        """Return what a run's record would say of this network: that it was not trained."""
        return {
            "task": "field",
            "model": self.model,
            "head": self.head,
            "labels": LABELS,
            "positive": POSITIVES,
            "image_path": self.settings.to_json(),
            "data": {
                "name": "generated smears, for the last layer alone",
                "images": FIELDS,
                "generated": True,
            },
            "split": {"kind": "none", "folds": 0},
            "seed": SEED,
            "weights": self.cost["weights"],
            "code": code_version(),
        }

    def _converted(self, cell: Cell, begun: int) -> Json:
        self._prepared()
        conversion = self._conversion(cell.bundle)
        begun = max(begun, self.ready)  # what all cells share is counted by route
        tried: list[tuple[Json, Artifact]] = []
        for number, recipe in enumerate(ladder(cell.form, cell.precision)[:RECIPES]):
            folder = self.folder / "artifacts" / cell.precision / f"{cell.form}{number}"
            shutil.rmtree(folder, ignore_errors=True)
            try:
                artifact, said = conversion.artifact(cell.form, cell.precision, recipe, folder)
            except ExportError:
                if not tried:
                    raise
                break  # the first recipe's row stands
            scores = conversion.scores(cell.form, artifact, self.images)
            variants = conversion.variants(cell.form, cell.precision, artifact, self.images)
            tried.append(self._compared(cell, recipe, folder, scores, variants, said))
            if tried[-1][0]["verdict"] != FAIL:
                break
        self._count(cell)
        row, made = min(tried, key=lambda pair: (pair[0]["verdict"] == FAIL, pair[0]["mean_dp"]))
        self.made.setdefault(cell.precision, {})[cell.form] = made
        return {"status": OK, **row, **self._route(cell, begun)}

    def _compared(
        self,
        cell: Cell,
        recipe: Recipe,
        folder: Path,
        scores: Scores,
        variants: dict[str, Scores],
        said: Json,
    ) -> tuple[Json, Artifact]:
        compared = compare(self.real, scores, READING, READING, LABELS, POSITIVES)
        row = judge(cell.precision, compared, self.covered)
        size = sum(path.stat().st_size for path in folder.iterdir())
        parity = {
            **row,
            "shipped": None,
            "references": {**compared, "coverage": self.covered},
            "variants": between(scores, variants, READING, LABELS, POSITIVES),
            "left_in_float": said["left_in_float"],
        }
        gate = {"evaluated": False, "why": NO_GATE} if cell.precision in GATED else None
        made = Artifact(cell.form, recipe, READING, folder, scores, variants, said, parity, gate)
        return {"recipe": recipe.name, "bytes": size, **row}, made

    def _count(self, cell: Cell) -> None:
        if cell.form == "onnx" and self.cost["flops"] is None:
            self.cost["flops"] = count_flops(self.folder / "model" / FLOAT_TFLITE)

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

    def _conversion(self, name: str) -> Conversion:
        """Return the conversion of the network, with a bundle's name written into artifacts."""
        return Conversion(
            self.jobs,
            self.folder / "model.keras",
            self.folder / "model",
            self.title,
            self.calibration,
            tuple(LABELS),
            name,
        )

    def _prepared(self) -> None:
        """Fit the network, make the float graph and choose the references, once."""
        if self.broken:
            raise ExportError(self.broken)
        if self.calibration is None:
            try:
                self._prepare()
            except ExportError as error:
                self.broken = error.what
                raise

    def _prepare(self) -> None:
        network = self.folder / "model.keras"
        if self.network is not None:
            shutil.copyfile(self.network, network)
        else:
            weights = str(self.weights) if self.weights else "none"
            asked = {"model": self.model, "head": self.head, "weights": weights, "out": network}
            self.jobs.run(f"{self.title}: fit", "fit", **asked)
        self.calibration = smears(self.settings)[0][:CALIBRATION]
        made = self._conversion(self.title)
        quick = made.float_tflite()

        def score(images: Images) -> NDArray[np.float64]:
            return positive(made.scores("tflite", quick, images), READING, LABELS, POSITIVES)

        threshold = READING.decision.threshold
        pool = reference_images.pool(self.settings)[::POOL_STEP]
        pool, p = reference_images.sharpen(pool, score(pool), threshold, score)
        self.images = pool[reference_images.choose(p, threshold)]
        self.real = made.float_scores(self.images)
        self.covered = coverage(self.real, READING, LABELS, POSITIVES)
        self.ready = len(self.jobs.log)
