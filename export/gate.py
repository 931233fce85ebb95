"""The accuracy gate: what a recipe costs on images that its model has never seen; numpy only.

A run keeps the network of every fold. Each is converted by the recipe in question, calibrated on
that fold's training part, and judged on that fold's held-out images; the folds are pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ExportError
from ..runtime.calibration import Decision, calibrate
from ..runtime.intervals import auc, mcnemar, paired_auc_difference
from ..runtime.metrics import assign, positive_score
from ..train.calibration import fit_decision, fit_temperature
from ..train.runs import Run
from .conversion import Conversion
from .jobs import Jobs
from .parity import compare, coverage
from .recipes import Recipe
from .source import Material, Reading

Json = dict[str, Any]
Images = NDArray[np.uint8]
Scores = NDArray[np.float32]
Indices = NDArray[np.int64]

MAX_AUC_DROP = 0.005
MAX_LOST_POSITIVES = 0


@dataclass(frozen=True)
class Budget:
    """What quantizing may cost, on out-of-fold images pooled over the folds.

    Parameters
    ----------
    auc_drop : float
    lost_positives : int
    """

    auc_drop: float = MAX_AUC_DROP
    lost_positives: int = MAX_LOST_POSITIVES

    def passes(self, row: Json) -> bool:
        """Return whether a recipe's figures are inside the budget."""
        return bool(
            row["auc_drop"] <= self.auc_drop + 1e-12
            and row["lost_positives"] <= self.lost_positives
        )


def fit_reading(truth: Indices, scores: Scores, labels: list[str], positives: list[str]) -> Reading:
    """Return temperature, threshold and band fitted on out-of-fold scores.

    Parameters
    ----------
    truth : (N,) ndarray of int
        Both a positive and another label occur.
    scores : (N, C) ndarray of float32
        Raw.
    labels, positives : list of str
    """
    temperature = fit_temperature(truth, scores)
    p = positive_score(calibrate(scores, temperature), labels, positives)
    fitted = fit_decision(np.isin(truth, [labels.index(name) for name in positives]), p)
    return Reading(temperature, Decision(fitted.threshold, (fitted.low, fitted.high)))


class Gate:
    """Judges recipes of one run, converting a fold's network only when its scores are asked for.

    Parameters
    ----------
    run : Run
    material : Material
    jobs : Jobs
    folder : Path
        For the folds' artifacts and half-way results.
    precision : str
    budget : Budget
    calibration : (N, S, S, 3) ndarray of uint8, optional
        Instead of each fold's training part.
    say : callable, optional
        Called with why a recipe did not pass.
    """

    def __init__(
        self,
        run: Run,
        material: Material,
        jobs: Jobs,
        folder: Path,
        precision: str,
        budget: Budget,
        calibration: Images | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._say = say
        self.labels, self.positives = list(run.labels), list(run.positive)
        self.budget = budget
        self._run, self._material, self._jobs = run, material, jobs
        self._folder, self._precision, self._calibration = folder, precision, calibration
        self._folds = run.fold_numbers
        self._conversions: dict[int, Conversion] = {}
        self._made: dict[tuple[str, Recipe, int], Scores] = {}
        self.truth = material.predictions.truth
        self.real = material.predictions.scores.astype(np.float32)

    def judged(self, form: str, recipe: Recipe) -> tuple[Json, Reading]:
        """Return what a recipe costs over all folds, and how its scores are best read.

        Raises
        ------
        ExportError
            If a conversion fails.
        """
        return self._figures(form, recipe, np.concatenate([*map(self._of, self._folds)]))

    def covered(self) -> Json:
        """Return how the out-of-fold images lie about the float model's threshold."""
        reading = fit_reading(self.truth, self.real, self.labels, self.positives)
        return coverage(self.real, reading, self.labels, self.positives, least_near=0)

    def price(self, form: str, recipes: tuple[Recipe, ...]) -> Json | None:
        """Return what the choosing of a recipe costs, cross-fitted; None where there is one fold.

        For every fold the recipe is chosen on the other folds alone, as are temperature and
        threshold; it is then judged on this fold, whose images took no part in the calibration,
        the training of that network, or that choice.
        """
        if len(self._folds) < 2:  # a holdout leaves no other images to choose on
            return None
        rows, chosen = [], []
        for fold in self._folds:
            others = np.concatenate([self._of(other) for other in self._folds if other != fold])
            recipe, reading = self._choose(form, recipes, others)
            rows.append(self._unseen(form, recipe, reading, self._of(fold), others))
            chosen.append(recipe.name)
        real, made = (np.concatenate([row[key] for row in rows]) for key in ("real", "made"))
        of = np.concatenate([row["of"] for row in rows])
        right = [np.concatenate([row[key] for row in rows]) for key in ("real_right", "made_right")]
        return {
            **self._areas(of, real, made),
            "lost_positives": sum(row["lost_positives"] for row in rows),
            "to_review": sum(row["to_review"] for row in rows),
            "accuracy_float": round(float(right[0].mean()), 6),
            "accuracy": round(float(right[1].mean()), 6),
            "mcnemar_p": round(mcnemar(right[0], right[1]), 6),
            "recipes": chosen,
        }

    def passing(
        self, form: str, recipes: tuple[Recipe, ...], tried: list[Json]
    ) -> Iterator[tuple[Recipe, Json, Reading]]:
        """Yield the recipes inside the budget, cheapest first, noting each that was tried."""
        for recipe in recipes:
            try:
                row, reading = self.judged(form, recipe)
            except ExportError as error:  # the next recipe may still convert
                tried.append({"recipe": recipe.name, "error": error.what, "passed": False})
                continue
            passed = self.budget.passes(row)
            kept = {key: row[key] for key in ("auc_drop", "lost_positives", "max_dp", "mean_dp")}
            tried.append({"recipe": recipe.name, **kept, "passed": passed})
            if not passed:
                self._say(
                    f"{form}, {recipe.name}: out of budget, AUC drop {row['auc_drop']:.4f}, "
                    f"{row['lost_positives']} lost positives"
                )
            if passed:
                yield recipe, row, reading

    def _choose(
        self, form: str, recipes: tuple[Recipe, ...], others: Indices
    ) -> tuple[Recipe, Reading]:
        found = []
        for recipe in recipes:
            try:
                row, reading = self._figures(form, recipe, others)
            except ExportError:
                continue
            if self.budget.passes(row):
                return recipe, reading
            found.append((row["lost_positives"], row["auc_drop"], recipe, reading))
        best = min(found, key=lambda entry: entry[:2])
        return best[2], best[3]

    def _figures(self, form: str, recipe: Recipe, of: Indices) -> tuple[Json, Reading]:
        real, made, truth = self.real[of], self._scores(form, recipe, of), self.truth[of]
        reading = fit_reading(truth, made, self.labels, self.positives)
        real_reading = fit_reading(truth, real, self.labels, self.positives)
        ill = self._ill(of)
        row = compare(real, made, real_reading, reading, self.labels, self.positives, ill)
        right = [
            self._said(scores, used) == truth
            for scores, used in ((real, real_reading), (made, reading))
        ]
        row.update(self._areas(of, self._p(real), self._p(made)))
        row["mcnemar_p"] = round(mcnemar(right[0], right[1]), 6)
        return row, reading

    def _unseen(
        self, form: str, recipe: Recipe, reading: Reading, of: Indices, others: Indices
    ) -> Json:
        real, made, truth = self.real[of], self._scores(form, recipe, of), self.truth[of]
        real_reading = fit_reading(
            self.truth[others], self.real[others], self.labels, self.positives
        )
        ill = self._ill(of)
        row = compare(real, made, real_reading, reading, self.labels, self.positives, ill)
        return {
            **row,
            "of": of,
            "real": self._p(real),
            "made": self._p(made),
            "real_right": self._said(real, real_reading) == truth,
            "made_right": self._said(made, reading) == truth,
        }

    def _areas(self, of: Indices, real: Any, made: Any) -> Json:
        ill = self._ill(of)
        groups = np.asarray(self._material.predictions.groups)[of]
        # the difference's interval is of artifact minus float: what is lost is below zero
        value, low, high = paired_auc_difference(ill, made, real, groups, seed=0)
        return {
            "images": len(of),
            "auc_float": round(auc(ill, real), 6),
            "auc": round(auc(ill, made), 6),
            "auc_drop": round(auc(ill, real) - auc(ill, made), 6),
            "auc_difference": {
                key: round(number, 6)
                for key, number in (("value", value), ("low", low), ("high", high))
            },
        }

    def _ill(self, of: Indices) -> NDArray[np.bool_]:
        """Return which of these images truly are positive."""
        return np.isin(self.truth[of], [self.labels.index(name) for name in self.positives])

    def _p(self, scores: Scores) -> NDArray[np.float64]:
        return positive_score(scores, self.labels, self.positives)

    def _said(self, scores: Scores, reading: Reading) -> Indices:
        calibrated = calibrate(scores, reading.temperature)
        return assign(calibrated, self.labels, self.positives, reading.decision.threshold)

    def _of(self, fold: int) -> Indices:
        return self._material.held_out(fold)

    def _scores(self, form: str, recipe: Recipe, of: Indices) -> Scores:
        """Return the artifact's scores of these images, each by the fold that never saw it."""
        scores = np.zeros_like(self.real)
        for fold in self._folds:
            inside = np.isin(self._of(fold), of)
            if inside.any():
                scores[self._of(fold)] = self._fold_scores(form, recipe, fold)
        return scores[of]

    def _fold_scores(self, form: str, recipe: Recipe, fold: int) -> Scores:
        key = (form, recipe, fold)
        if key not in self._made:
            made = self._conversion(fold)
            folder = self._folder / f"fold{fold}" / "artifact"
            artifact, _ = made.artifact(form, self._precision, recipe, folder)
            self._made[key] = made.scores(form, artifact, self._material.images[self._of(fold)])
        return self._made[key]

    def _conversion(self, fold: int) -> Conversion:
        if fold not in self._conversions:
            calibration = self._calibration
            if calibration is None:
                calibration = self._material.training_part(fold)
            self._conversions[fold] = Conversion(
                self._jobs,
                self._run.fold_model_path(fold),
                self._folder / f"fold{fold}",
                f"fold {fold} of {len(self._folds)}",
                calibration,
            )
        return self._conversions[fold]
