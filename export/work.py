"""The steps of one export, in their order; every conversion is a process of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ExportError
from ..runtime.image_settings import ImageSettings
from ..train.runs.run_folder import Run
from .bundle.assembly import (
    FLOAT_DECISION,
    OWN_DECISION,
    References,
    assemble,
    bundle_record,
    format_entry,
)
from .convert.calibration_images import load_folder
from .convert.capabilities import GATED
from .convert.conversion import Conversion
from .convert.jobs import Jobs
from .convert.quantization_recipes import Recipe, ladder
from .gate import reference_images
from .gate.accuracy_gate import Gate
from .gate.fold_artifacts import FoldArtifacts
from .gate.held_out import HeldOut
from .gate.parity import (
    COMPARED,
    CROSS_FITTED,
    FAIL,
    GATE_FAILED,
    OUT_OF_FOLD,
    between,
    compare,
    coverage,
    judge,
    positive,
    within,
)
from .options import Artifact, ExportOptions, default_place
from .source_run import DecisionRule, RunImages, read_run_images

Json = dict[str, Any]
Images = NDArray[np.uint8]
Scores = NDArray[np.float32]
ASKED_NOT_TO = "it was asked not to"


class Work:
    """The steps of one export, in their order."""

    def __init__(
        self, order: ExportOptions, jobs: Jobs, folder: Path, say: Callable[[str], None]
    ) -> None:
        self.order, self.jobs, self.folder, self.say = order, jobs, folder, say
        record = order.run.record
        self.labels, self.positives = list(order.run.labels), list(order.run.positive)
        self.settings = ImageSettings.from_json(record["image_path"])
        self.reading = DecisionRule.of_run(order.run)
        self.name = default_place(order.run, order.precision).name
        self.gates: dict[str, Json] = {}
        self.parities: dict[str, Json] = {}
        self.calibrated: Json | None = None
        self._gate: Gate | None = None
        self._real_seen: Scores | None = None

    def folders(self) -> dict[str, Path]:
        """Return the folders of the artifacts there are, by format."""
        found = {form: self.folder / "artifacts" / form for form in self.order.formats}
        return {form: folder for form, folder in found.items() if folder.is_dir()}

    def prepare(self) -> None:
        """Find calibration images and references, and score these with the float model."""
        order = self.order
        material: RunImages | str = "no quantized precision"
        if order.precision in GATED:
            material = read_run_images(order.run)
        override = load_folder(order.calibration, self.settings) if order.calibration else None
        calibration = override
        if order.precision == "int8" and override is None:
            if isinstance(material, str):
                raise ExportError(
                    f"there is nothing to calibrate on: {material}", fix="--calibration DATA"
                )
            calibration = material.training_part()
        if order.precision == "int8" and calibration is not None:
            source = "given" if override is not None else "training images"
            self.calibrated = {"source": source, "images": len(calibration)}
        self._prepare_gate(material, override)
        self.conversion = Conversion(
            self.jobs,
            order.run.model_path,
            self.folder / "model",
            "model",
            calibration,
            tuple(self.labels),
            self.name,
        )
        self._choose_references()

    def _prepare_gate(self, material: RunImages | str, override: Images | None) -> None:
        order = self.order
        if order.precision not in GATED:
            return
        why = ASKED_NOT_TO if not order.gate else material if isinstance(material, str) else None
        if why is None and not isinstance(material, str):
            why = _unfit(order.run, material)
        if why is not None or isinstance(material, str):
            self.why_not = str(why)
            self.say(f"gate not evaluated: {why}")
            return
        self._material = material
        folder, precision = self.folder / "gate", order.precision
        folds = FoldArtifacts(order.run, material, self.jobs, folder, precision, override, self.say)
        held = HeldOut.of_run(order.run, material)
        self._gate = Gate(held, folds.scores, precision, order.budget, self.say)

    def _choose_references(self) -> None:
        order, threshold = self.order, self.reading.decision.threshold
        images = (
            reference_images.given(order.reference, self.settings)
            if order.reference
            else reference_images.pool(self.settings)
        )
        quick = self.conversion.float_tflite()  # Keras would take minutes for a whole pool

        def score(some: Images) -> NDArray[np.float64]:
            scores = self.conversion.scores("tflite", quick, some)
            return positive(scores, self.reading, self.labels, self.positives)

        p = score(images)
        if not order.reference:
            images, p = reference_images.sharpen(images, p, threshold, score)
        self.images = images[reference_images.choose(p, threshold)]
        self.real = self.conversion.float_scores(self.images)
        self.covered = coverage(self.real, self.reading, self.labels, self.positives)
        if not self.covered["informative"]:
            self.say("the references do not cover both labels and the threshold: not informative")

    def make(self, form: str) -> Artifact:
        """Convert to a format by the first recipe that passes the gate and parity.

        Raises
        ------
        ExportError
            If none does; what was tried is in `gates` and `parities` then.
        """
        tried: list[Json] = []
        for recipe, row, reading in self._candidates(form, tried):
            try:
                made = self._convert(form, recipe, reading, row)
            except ExportError as error:  # a converter may fail on one recipe and do the next
                if len(ladder(form, self.order.precision)) == 1:
                    raise
                if row is None:
                    tried.append({"recipe": recipe.name, "error": error.what, "passed": False})
                else:
                    tried[-1].update(passed=False, why=error.what)
                self.say(f"{form}, {recipe.name}: {error.what}")
                continue
            if row is None:  # no gate: what it was refused for is seen on the references
                kept = {key: made.parity[key] for key in ("lost_positives", "max_dp", "mean_dp")}
                tried.append({"recipe": recipe.name, **kept, "passed": True})
            why = self._refused(made)
            if why is None:
                made.gate = self._gate_row(form, row, tried)
                if made.gate is not None and made.gate.get("cross_fitted"):
                    figures = {key: made.gate["cross_fitted"][key] for key in COMPARED}
                    made.parity.update(figures, figures=CROSS_FITTED)
                return made
            tried[-1].update(passed=False, why=why)
            self.say(f"{form}, {recipe.name}: {why}")
        self.gates[form] = {"evaluated": self._gate is not None, "tried": tried}
        if form not in self.parities:
            with contextlib.suppress(ExportError):  # what can be kept aside is
                self._convert(form, ladder(form, self.order.precision)[0], self.reading)
        if self._gate is not None and form in self.parities:
            self.parities[form]["gate"] = GATE_FAILED
        by = "parity" if self._gate is None else "the gate"
        raise ExportError(f"every recipe failed {by} ({_least(tried)})")

    def _refused(self, made: Artifact) -> str | None:
        """Return why an artifact is not the same model, None where it is."""
        row, seen = made.parity, made.parity["shipped"]
        if seen is not None and not seen["passed"]:
            return (
                f"the artifact itself loses {seen['lost_positives']} positives of the run's "
                f"{seen['images']} images, max Δp {seen['max_dp']:.4f}, mean {seen['mean_dp']:.4f}"
            )
        if row["verdict"] == FAIL:
            allowed = row["tolerance"]
            return (
                f"max Δp {row['max_dp']:.4f}, mean {row['mean_dp']:.4f} on the "
                f"{row['measured_on']}, allowed {allowed['max_dp']} and {allowed['mean_dp']}"
            )
        return None

    def _candidates(
        self, form: str, tried: list[Json]
    ) -> Iterator[tuple[Recipe, Json | None, DecisionRule]]:
        recipes = ladder(form, self.order.precision)
        if self._gate is None:
            for recipe in recipes:
                yield recipe, None, self.reading
        else:
            yield from self._gate.passing(form, recipes, tried)

    def _convert(
        self, form: str, recipe: Recipe, reading: DecisionRule, gate: Json | None = None
    ) -> Artifact:
        folder, precision = self.folder / "artifacts" / form, self.order.precision
        artifact, said = self.conversion.artifact(form, precision, recipe, folder)
        scores = self.conversion.scores(form, artifact, self.images)
        variants = self.conversion.variants(form, precision, artifact, self.images)
        names = (self.labels, self.positives)
        compared = compare(self.real, scores, self.reading, reading, *names)
        if self._gate is not None and gate is not None:
            found = judge(precision, gate, self._gate.covered(), OUT_OF_FOLD)
        else:
            found = judge(precision, compared, self.covered)
        shipped = self._shipped(form, artifact, reading)
        if shipped is not None and not shipped["passed"]:
            found["verdict"] = FAIL
        self.parities[form] = {
            **found,
            "shipped": shipped,
            "references": {**compared, "coverage": self.covered},
            "variants": between(scores, variants, reading, *names),
            "left_in_float": said["left_in_float"],
        }
        return Artifact(form, recipe, reading, folder, scores, variants, said, self.parities[form])

    def _shipped(self, form: str, artifact: Path, reading: DecisionRule) -> Json | None:
        """Return how the artifact itself answers on the run's images, None without a gate.

        It was trained on them; whether it still is the float model can be asked of any image.
        """
        if self._gate is None:
            return None
        images, allowed = self._material.images, self.order.budget.lost_positives
        if self._real_seen is None:
            self._real_seen = self.conversion.float_scores(images)
        scores = self.conversion.scores(form, artifact, images)
        ill = np.isin(self._material.labels, self.positives)
        row = compare(
            self._real_seen, scores, self.reading, reading, self.labels, self.positives, ill
        )
        passed = within(self.order.precision, row) and row["lost_positives"] <= allowed
        return {**row, "images": len(images), "passed": passed}

    def _gate_row(self, form: str, row: Json | None, tried: list[Json]) -> Json | None:
        if self.order.precision not in GATED:
            return None
        if self._gate is None or row is None:
            return {"evaluated": False, "why": self.why_not, "tried": tried}
        budget = self.order.budget
        cost = self._gate.cross_fitted_cost(form, ladder(form, self.order.precision))
        return {
            "evaluated": True,
            "budget": {"auc_drop": budget.auc_drop, "lost_positives": budget.lost_positives},
            **row,
            "tried": tried,
            "cross_fitted": None if isinstance(cost, str) else cost,
            "not_cross_fitted": cost if isinstance(cost, str) else None,
        }

    def write(self, made: dict[str, Artifact]) -> None:
        """Write the bundle."""
        order = self.order
        formats = {
            form: format_entry(row, order.precision, self._decision(), self.calibrated)
            for form, row in made.items()
        }
        record = bundle_record(order.run.record, self.name, order.precision, formats)
        source = "given" if order.reference else "generated"
        used = References(self.images, self.real, source)
        assemble(order.out, order.force, record, made, used)

    def _decision(self) -> str:
        """Return whose scores temperature, threshold and band were fitted on."""
        return (
            OWN_DECISION if self._gate and self._gate.not_cross_fitted is None else FLOAT_DECISION
        )


def _unfit(run: Run, material: RunImages) -> str | None:
    """Return why a run that has its images can be judged by no gate, None where it can."""
    gone = [number for number in run.fold_numbers if not run.fold_model_path(number).is_file()]
    if gone:
        return f"the networks of the folds {gone} are gone"
    if not HeldOut.of_run(run, material).both_sides(run.fold_numbers):
        return "the out-of-fold images are all on one side of the diagnosis"
    return None


def _least(tried: list[Json]) -> str:
    measured = [row for row in tried if "error" not in row]
    if not measured:
        return "; ".join(f"{row['recipe']}: {row['error']}" for row in tried)
    if refused := [row for row in measured if "why" in row]:
        return f"{refused[-1]['recipe']}: {refused[-1]['why']}"
    best = min(measured, key=lambda row: (row["lost_positives"], row["auc_drop"]))
    return (
        f"the best, {best['recipe']}, loses {best['lost_positives']} positives and "
        f"{best['auc_drop']:.4f} of AUC, mean Δp {best['mean_dp']:.4f}"
    )
