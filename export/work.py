"""The steps of one export, in their order; every conversion is a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ExportError
from ..runtime.imaging import ImagePath
from . import references
from .assembly import (
    FLOAT_DECISION,
    OWN_DECISION,
    References,
    assemble,
    bundle_record,
    format_entry,
)
from .calibration import load_folder
from .capabilities import GATED
from .conversion import Conversion
from .gate import Gate
from .jobs import Jobs
from .order import Made, Order, default_place
from .parity import (
    FAIL,
    OUT_OF_FOLD,
    compare,
    coverage,
    judge,
    positive,
)
from .recipes import Recipe, ladder
from .source import Material, Reading, read_material

Json = dict[str, Any]
Images = NDArray[np.uint8]
ASKED_NOT_TO = "it was asked not to"


class Work:
    """The steps of one export, in their order."""

    def __init__(self, order: Order, jobs: Jobs, folder: Path, say: Callable[[str], None]) -> None:
        self.order, self.jobs, self.folder, self.say = order, jobs, folder, say
        record = order.run.record
        self.labels, self.positives = list(order.run.labels), list(order.run.positive)
        self.settings = ImagePath.from_json(record["image_path"])
        self.reading = Reading.of_run(order.run)
        self.name = default_place(order.run, order.precision).name
        self.gates: dict[str, Json] = {}
        self.parities: dict[str, Json] = {}
        self._gate: Gate | None = None

    def folders(self) -> dict[str, Path]:
        """Return the folders of the artifacts there are, by format."""
        found = {form: self.folder / "artifacts" / form for form in self.order.formats}
        return {form: folder for form, folder in found.items() if folder.is_dir()}

    def prepare(self) -> None:
        """Find calibration images and references, and score these with the float model."""
        order = self.order
        material: Material | str = "no quantized precision"
        if order.precision in GATED:
            material = read_material(order.run)
        override = load_folder(order.calibration, self.settings) if order.calibration else None
        calibration = override
        if order.precision == "int8" and override is None:
            if isinstance(material, str):
                raise ExportError(
                    f"there is nothing to calibrate on: {material}", fix="--calibration DATA"
                )
            calibration = material.training_part()
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

    def _prepare_gate(self, material: Material | str, override: Images | None) -> None:
        order = self.order
        if order.precision not in GATED:
            return
        why = ASKED_NOT_TO if not order.gate else material if isinstance(material, str) else None
        if why is None and not isinstance(material, str):
            missing = [
                number
                for number in order.run.fold_numbers
                if not order.run.fold_model_path(number).is_file()
            ]
            why = f"the networks of the folds {missing} are gone" if missing else None
        if why is not None or isinstance(material, str):
            self.why_not = str(why)
            self.say(f"gate not evaluated: {why}")
            return
        self._gate = Gate(
            order.run,
            material,
            self.jobs,
            self.folder / "gate",
            order.precision,
            order.budget,
            override,
            self.say,
        )

    def _choose_references(self) -> None:
        order, threshold = self.order, self.reading.decision.threshold
        images = (
            references.given(order.reference, self.settings)
            if order.reference
            else references.pool(self.settings)
        )
        quick = self.conversion.float_tflite()  # Keras would take minutes for a whole pool

        def score(some: Images) -> NDArray[np.float64]:
            scores = self.conversion.scores("tflite", quick, some)
            return positive(scores, self.reading, self.labels, self.positives)

        p = score(images)
        if not order.reference:
            images, p = references.sharpen(images, p, threshold, score)
        self.images = images[references.choose(p, threshold)]
        self.real = self.conversion.float_scores(self.images)
        self.covered = coverage(self.real, self.reading, self.labels, self.positives)
        if not self.covered["informative"]:
            self.say("the references do not cover both labels and the threshold: not informative")

    def make(self, form: str) -> Made:
        """Convert to a format by the first recipe that passes the gate and parity."""
        tried: list[Json] = []
        why = "every recipe failed the gate"
        for recipe, row, reading in self._candidates(form, tried):
            made = self._convert(form, recipe, reading, row)
            if made.parity["verdict"] != FAIL:
                made.gate = self._gate_row(form, row, tried)
                return made
            why = (
                f"max Δp {made.parity['max_dp']:.4f}, mean {made.parity['mean_dp']:.4f} on the "
                f"{made.parity['measured_on']}, allowed {made.parity['tolerance']['max_dp']} and "
                f"{made.parity['tolerance']['mean_dp']}"
            )
            self.say(f"{form}, {recipe.name}: {why}")
        if tried and not any(entry["passed"] for entry in tried):
            self.gates[form] = {"evaluated": True, "tried": tried}
            self._convert(form, ladder(form, self.order.precision)[0], self.reading)
            why = f"every recipe failed the gate ({_least(tried)})"
        raise ExportError(why)

    def _candidates(
        self, form: str, tried: list[Json]
    ) -> Iterator[tuple[Recipe, Json | None, Reading]]:
        recipes = ladder(form, self.order.precision)
        if self._gate is None:
            for recipe in recipes:
                yield recipe, None, self.reading
        else:
            yield from self._gate.passing(form, recipes, tried)

    def _convert(
        self, form: str, recipe: Recipe, reading: Reading, gate: Json | None = None
    ) -> Made:
        folder = self.folder / "artifacts" / form
        artifact, said = self.conversion.artifact(form, self.order.precision, recipe, folder)
        scores = self.conversion.scores(form, artifact, self.images)
        compared = compare(self.real, scores, self.reading, reading, self.labels, self.positives)
        precision = self.order.precision
        if self._gate is not None and gate is not None:
            found = judge(precision, gate, self._gate.covered(), OUT_OF_FOLD)
        else:
            found = judge(precision, compared, self.covered)
        self.parities[form] = {**found, "references": {**compared, "coverage": self.covered}}
        return Made(form, recipe, reading, folder, scores, said, self.parities[form], None)

    def _gate_row(self, form: str, row: Json | None, tried: list[Json]) -> Json | None:
        if self.order.precision not in GATED:
            return None
        if self._gate is None or row is None:
            return {"evaluated": False, "why": self.why_not}
        budget = self.order.budget
        return {
            "evaluated": True,
            "budget": {"auc_drop": budget.auc_drop, "lost_positives": budget.lost_positives},
            **row,
            "tried": tried,
            "price": self._gate.price(form, ladder(form, self.order.precision)),
        }

    def write(self, made: dict[str, Made]) -> None:
        """Write the bundle."""
        order = self.order
        formats = {
            form: format_entry(row, order.precision, _decision(row)) for form, row in made.items()
        }
        record = bundle_record(order.run.record, self.name, order.precision, formats)
        source = "given" if order.reference else "generated"
        used = References(self.images, self.real, source)
        assemble(order.out, order.force, record, made, used)


def _decision(row: Made) -> str:
    return OWN_DECISION if row.gate and row.gate["evaluated"] else FLOAT_DECISION


def _least(tried: list[Json]) -> str:
    measured = [row for row in tried if "error" not in row]
    if not measured:
        return "; ".join(f"{row['recipe']}: {row['error']}" for row in tried)
    best = min(measured, key=lambda row: (row["lost_positives"], row["auc_drop"]))
    return (
        f"the best, {best['recipe']}, loses {best['lost_positives']} positives and "
        f"{best['auc_drop']:.4f} of AUC"
    )
