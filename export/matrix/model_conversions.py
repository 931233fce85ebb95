"""Converts one model with one head to every precision and format.

No data set is needed: the last layer is fitted on generated smears. Loads no converter itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import ExportError
from ...runtime.image_settings import ImageSettings
from ...runtime.metrics.decisions import Thresholds
from ...runtime.tflite_graph import count_flops
from ...train.networks.architectures import architecture, count_parameters, head_row
from ...train.provenance import code_version
from ..attempts import convert_artifact
from ..bundle.assembly import NO_DECISION, assemble, bundle_record, format_entry
from ..convert.capabilities import CAPABILITIES, GATED
from ..convert.conversion import Conversion
from ..convert.jobs import JobRunner
from ..convert.quantization_recipes import ladder
from ..convert.tflite import FLOAT as FLOAT_TFLITE
from ..gate.parity import FAIL
from ..options import bundle_name
from ..scored_references import choose_references, reference_pool, scored_references
from ..types import Artifact, CalibrationSource, DecisionRule, Images, Json, References
from .fitted_network import FIELDS, SEED, generate_smears
from .markdown_page import FAILED, OK, REFUSED

LABELS, POSITIVES = ["healthy", "blast"], ["blast"]
RULE = DecisionRule(temperature=1.0, thresholds=Thresholds(0.5, (0.45, 0.55)))
# Half of the smears have blasts. More images make each of 60 conversions slower.
CALIBRATION_IMAGES = 32
# Of the images that references are chosen from, at most every third is scored.
POOL_STEP = 3
MAX_RECIPES = 2  # how many recipes are tried if the first is outside the tolerance
NO_GATE = "the last layer was fitted on generated smears: there are no out-of-fold predictions"


@dataclass(frozen=True)
class MatrixCell:
    """One conversion of the matrix.

    Parameters
    ----------
    model, head, precision : str
    form : str
        The format; ``matrix.json`` has this key.
    """

    model: str
    head: str
    precision: str
    form: str

    @property
    def key(self) -> str:
        """The key of the conversion in ``matrix.json``."""
        return "/".join((self.model, self.head, self.precision, self.form))

    @property
    def bundle(self) -> str:
        """The name of the bundle that the artifact belongs to."""
        return bundle_name(self.model, self.head, self.precision)


@dataclass(frozen=True)
class _Shared:
    """What all conversions of one network share.

    `steps` is the number of steps in the log up to here.
    """

    calibration: Images
    references: References
    steps: int


class MatrixRow:
    """One model with one head: fitted once, with references that are chosen once.

    Parameters
    ----------
    model, head : str
    folder : Path
        For the network, intermediate results and artifacts.
    weights : Path, optional
        Folder with ``<model>.weights.h5`` of the base network; random weights without it.
    on_step : callable, optional
        Called with the title of each step.
    settings : ImageSettings, optional
        Of the images that the network takes.
    network : Path, optional
        A ``model.keras`` to convert, instead of a network whose last layer is fitted here.

    Attributes
    ----------
    cost : dict
        Parameters, floating-point operations and weights of the network, for ``matrix.json``.
    """

    def __init__(
        self,
        model: str,
        head: str,
        folder: Path,
        weights: Path | None = None,
        on_step: Callable[[str], None] = lambda title: None,
        settings: ImageSettings | None = None,
        network: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = weights / f"{model}.weights.h5" if weights else None
        self._weights = file if file and file.is_file() else None
        self._model, self._head, self._folder = model, head, folder
        self._title = f"{model} {head}"
        self._settings, self._network = settings or ImageSettings(), network
        self._jobs = JobRunner(folder, on_step)
        self._artifacts: dict[str, dict[str, Artifact]] = {}  # by precision, then by format
        self._shared: _Shared | ExportError | None = None
        self.cost: Json = {
            "parameters": count_parameters(architecture(model), head_row(head)).network,
            "flops": None,
            "weights": self._weights.name if self._weights else "random",
        }

    def __enter__(self) -> MatrixRow:
        return self

    def __exit__(self, *_: object) -> None:
        self._jobs.close()

    def row(self, cell: MatrixCell) -> Json:
        """Convert one cell and return its row of ``matrix.json``; a failure is a row, too."""
        capability = CAPABILITIES[cell.form, cell.precision]
        start = {**vars(cell), "weights": self.cost["weights"]}
        if capability.refused:
            return {**start, "status": REFUSED, "reason": capability.refused}
        steps = len(self._jobs.log)
        try:
            shared = self._prepare_once()
            steps = max(steps, shared.steps)  # `_cost_of_route` counts the shared steps
            row = self._convert(cell, shared)
        except ExportError as error:
            row = {"status": FAILED, "reason": error.what}
        return {**start, **row, **self._cost_of_route(cell, steps)}

    def write_bundle(self, precision: str, out: Path) -> bool:
        """Write what was converted to a precision as a bundle; return whether there was anything.

        An artifact outside the tolerance is included, and its row in ``parity.json`` says *fail*:
        the bundle is for measuring engines.
        """
        artifacts = self._artifacts.pop(precision, {})
        if not artifacts or not isinstance(self._shared, _Shared):
            return False
        calibration: CalibrationSource | None = None
        if precision == "int8":
            images = len(self._shared.calibration)
            calibration = {"source": "generated smears", "images": images, "warnings": []}
        formats = {
            name: format_entry(artifact, precision, NO_DECISION, calibration)
            for name, artifact in artifacts.items()
        }
        name = bundle_name(self._model, self._head, precision)
        record = bundle_record(self._provenance(), name, precision, formats)
        assemble(out / name, True, record, artifacts, self._shared.references)
        return True

    def _provenance(self) -> Json:
        """Return a run record that says that this network was not trained."""
        return {
            "task": "field",
            "model": self._model,
            "head": self._head,
            "labels": LABELS,
            "positive": POSITIVES,
            "image_path": self._settings.to_json(),
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

    def _prepare_once(self) -> _Shared:
        """Prepare the network at the first call; repeat its result or its error later."""
        if self._shared is None:
            try:
                self._shared = self._prepare()
            except ExportError as error:
                self._shared = error
        if isinstance(self._shared, ExportError):
            raise ExportError(self._shared.what)
        return self._shared

    def _prepare(self) -> _Shared:
        """Fit the network, make the float graph and choose the references."""
        network = self._folder / "model.keras"
        if self._network is not None:
            shutil.copyfile(self._network, network)
        else:
            self._jobs.run(
                f"{self._title}: fit",
                "fit",
                model=self._model,
                head=self._head,
                weights=self._weights or "none",
                out=network,
            )
        calibration = generate_smears(self._settings)[0][:CALIBRATION_IMAGES]
        conversion = self._conversion(self._title, calibration)
        pool = reference_pool(self._settings)
        images = choose_references(conversion, RULE, LABELS, POSITIVES, pool, least_step=POOL_STEP)
        float_scores = conversion.float_scores(images)
        references = scored_references(images, float_scores, RULE, LABELS, POSITIVES)
        return _Shared(calibration, references, len(self._jobs.log))

    def _conversion(self, bundle: str, calibration: Images) -> Conversion:
        """Return the conversion of the network that writes a bundle's name into artifacts."""
        return Conversion(
            self._jobs,
            self._folder / "model.keras",
            self._folder / "model",
            self._title,
            calibration,
            labels=tuple(LABELS),
            name=bundle,
        )

    def _convert(self, cell: MatrixCell, shared: _Shared) -> Json:
        """Convert by the first recipes of the format; keep the best artifact, return its row."""
        conversion = self._conversion(cell.bundle, shared.calibration)
        tried: list[Artifact] = []
        for number, recipe in enumerate(ladder(cell.form, cell.precision)[:MAX_RECIPES]):
            folder = self._folder / "artifacts" / cell.precision / f"{cell.form}{number}"
            try:
                shutil.rmtree(folder, ignore_errors=True)
                artifact = convert_artifact(
                    conversion,
                    cell.form,
                    cell.precision,
                    recipe,
                    folder,
                    shared.references,
                    RULE,
                    RULE,
                    LABELS,
                    POSITIVES,
                )
                tried.append(artifact)
            except ExportError:
                if not tried:
                    raise
                break  # the artifact of the first recipe stays
            if tried[-1].parity["verdict"] != FAIL:
                break
        if cell.form == "onnx" and self.cost["flops"] is None:
            self.cost["flops"] = count_flops(self._folder / "model" / FLOAT_TFLITE)
        best = min(tried, key=lambda row: (row.parity["verdict"] == FAIL, row.parity["mean_dp"]))
        if cell.precision in GATED:
            best = replace(best, gate={"evaluated": False, "why": NO_GATE})
        self._artifacts.setdefault(cell.precision, {})[cell.form] = best
        size = sum(path.stat().st_size for path in best.folder.iterdir())
        added = ("shipped", "references", "variants", "left_in_float")
        figures = {key: value for key, value in best.parity.items() if key not in added}
        return {"status": OK, "recipe": best.recipe.name, "bytes": size, **figures}

    def _cost_of_route(self, cell: MatrixCell, steps: int) -> Json:
        """Return seconds and peak memory of the steps from ``model.keras`` to this artifact.

        `steps` is the number of steps in the log before the conversion of this cell.
        """
        if cell.form == "tflite":
            shared: tuple[str, ...] = ("float graph",) if cell.precision == "float32" else ()
        else:
            shared = ("float graph", "ONNX graph")
        own = [row for row in self._jobs.log[steps:] if row["step"].endswith(cell.precision)]
        route = own + [row for row in self._jobs.log if row["step"].endswith(shared)]
        return {
            "seconds": round(sum(row.get("seconds", 0.0) for row in route), 1),
            "peak_mib": max((row.get("peak_mib", 0) for row in route), default=0),
        }
