"""The accuracy gate: what a recipe costs on images that its model has never seen; numpy only.

A run keeps the network of every fold. Each is converted by the recipe in question, calibrated on
that fold's training part, and judged on that fold's held-out images, read by a temperature, a
threshold and a band that were fitted on the other folds; the folds are pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import ExportError
from ...runtime.metrics.intervals import auc, paired_auc_difference
from ...train.paired_tests import mcnemar
from ..convert.quantization_recipes import Recipe
from ..source_run import DecisionRule
from .held_out import HeldOut, Indices, Scores, fit_decision_rule
from .parity import compare, coverage, pooled, within

Json = dict[str, Any]
# From format, recipe and fold to what the fold's artifact says of the fold's images.
Scorer = Callable[[str, Recipe, int], Scores]

MAX_AUC_DROP = 0.005
MAX_LOST_POSITIVES = 0
HOLDOUT = "holdout"  # what a run of one fold is, where its cross-fitted cost would stand


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


@dataclass(frozen=True)
class _Part:
    """One fold's images, and how both models are read on them."""

    of: Indices
    made: Scores
    real_reading: DecisionRule
    made_reading: DecisionRule


class Gate:
    """Judges recipes of one run on its out-of-fold images.

    A positive is *lost* where the float model has it at or above its threshold and the artifact
    below its indeterminate band. Both are read by what was fitted on the other folds: the float
    model on its own scores of them, the artifact on its own, so that neither has seen the image
    that it is judged by and what differs is the artifact alone.

    Parameters
    ----------
    held : HeldOut
    scores : callable
        As `alledge.export.gate.fold_artifacts.FoldArtifacts.scores`.
    precision : str
    budget : Budget
    say : callable, optional
        Called with why a recipe did not pass.
    """

    def __init__(
        self,
        held: HeldOut,
        scores: Scorer,
        precision: str,
        budget: Budget,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._held, self._scores, self._say = held, scores, say
        self._precision, self.budget = precision, budget
        self._folds = sorted({int(fold) for fold in held.folds})
        self.not_cross_fitted = self._why_not_cross_fitted()

    def judged(self, form: str, recipe: Recipe) -> tuple[Json, DecisionRule]:
        """Return what a recipe costs over all folds, and how its scores are best read.

        Where nothing is left to fit on (a holdout) both are read as the run says.

        Raises
        ------
        ExportError
            If a conversion fails.
        """
        parts = self._parts(form, recipe, self._folds, self._held.reading)
        row = {**self._row(parts), **self._interval(parts)}
        if self.not_cross_fitted is not None:
            return row, self._held.reading
        return row, self._reading(self._folds, form, recipe)

    def covered(self) -> Json:
        """Return how the out-of-fold images lie about the float model's threshold."""
        held = self._held
        return coverage(held.real, held.reading, held.labels, held.positives, least_near=0)

    def cross_fitted_cost(self, form: str, recipes: tuple[Recipe, ...]) -> Json | str:
        """Return what the choosing of a recipe costs, cross-fitted, or why that is not known.

        For every fold the recipe is chosen on the other folds alone, as are temperature and
        threshold; it is then judged on this fold. That is cross-fitted, not nested: the networks
        of the other folds, whose scores chose, were trained and calibrated on this fold's images.
        """
        if self.not_cross_fitted is not None:
            return self.not_cross_fitted
        parts, chosen = [], []
        try:
            for fold in self._folds:
                others = [other for other in self._folds if other != fold]
                recipe, reading, real_reading = self._choose(form, recipes, others)
                made = self._scores(form, recipe, fold)
                parts.append(_Part(self._held.of([fold]), made, real_reading, reading))
                chosen.append(recipe.name)
        except ExportError as error:
            return error.what
        return {**self._row(parts), **self._interval(parts), "recipes": chosen}

    def passing(
        self, form: str, recipes: tuple[Recipe, ...], tried: list[Json]
    ) -> Iterator[tuple[Recipe, Json, DecisionRule]]:
        """Yield the recipes inside budget and tolerance, cheapest first, noting each tried."""
        for recipe in recipes:
            try:
                row, reading = self.judged(form, recipe)
            except ExportError as error:  # the next recipe may still convert
                tried.append({"recipe": recipe.name, "error": error.what, "passed": False})
                continue
            kept = {key: row[key] for key in ("auc_drop", "lost_positives", "max_dp", "mean_dp")}
            tried.append({"recipe": recipe.name, **kept, "passed": self._passes(row)})
            if tried[-1]["passed"]:
                yield recipe, row, reading
            else:
                self._say(
                    f"{form}, {recipe.name}: out of budget, AUC drop {row['auc_drop']:.4f}, "
                    f"{row['lost_positives']} lost positives, mean Δp {row['mean_dp']:.4f}"
                )

    def _why_not_cross_fitted(self) -> str | None:
        if len(self._folds) < 2:
            return HOLDOUT
        for fold in self._folds:
            if not self._held.both_sides([other for other in self._folds if other != fold]):
                return f"without fold {fold} all images are on one side of the diagnosis"
        return None

    def _passes(self, row: Json) -> bool:
        return self.budget.passes(row) and within(self._precision, row)

    def _choose(
        self, form: str, recipes: tuple[Recipe, ...], folds: Sequence[int]
    ) -> tuple[Recipe, DecisionRule, DecisionRule]:
        """Return the recipe that these folds alone choose, and what they read by."""
        real_reading = self._reading(folds)
        found: list[tuple[bool, int, float, int]] = []  # refused, lost, drop, place on the ladder
        for place, recipe in enumerate(recipes):
            try:
                row = self._row(self._parts(form, recipe, folds, real_reading))
            except ExportError:
                continue
            refused = not self._passes(row)
            found.append((refused, row["lost_positives"], row["auc_drop"], place))
            if not refused:
                break
        if not found:
            raise ExportError(f"no recipe could be judged on the folds {list(folds)} alone")
        recipe = recipes[min(found)[-1]]
        return recipe, self._reading(folds, form, recipe), real_reading

    def _parts(
        self, form: str, recipe: Recipe, folds: Sequence[int], fallback: DecisionRule
    ) -> list[_Part]:
        """Return each fold, read as the others say; where these cannot, as `fallback` does."""
        parts = []
        for fold in folds:
            others = [other for other in folds if other != fold]
            made = self._scores(form, recipe, fold)
            readings = (fallback, fallback)
            if self._held.both_sides(others):
                readings = (self._reading(others), self._reading(others, form, recipe))
            parts.append(_Part(self._held.of([fold]), made, *readings))
        return parts

    def _reading(
        self, folds: Sequence[int], form: str | None = None, recipe: Recipe | None = None
    ) -> DecisionRule:
        """Return a reading fitted on some folds: the float model's, or an artifact's."""
        held, of = self._held, self._held.of(folds)
        scores = held.real[of]
        if form is not None and recipe is not None:
            scores = np.concatenate([self._scores(form, recipe, fold) for fold in folds])
        names = (held.labels, held.positives)
        return fit_decision_rule(held.truth[of], scores, *names, held.sensitivity)

    def _row(self, parts: list[_Part]) -> Json:
        """Return the figures of folds, pooled."""
        held = self._held
        names, ill, rows, right = (held.labels, held.positives), held.ill, [], []
        for part in parts:
            real = held.real[part.of]
            read = (part.real_reading, part.made_reading)
            rows.append(compare(real, part.made, *read, *names, ill[part.of]))
            right.append(
                [
                    held.right(part.of, scores, reading)
                    for scores, reading in zip((real, part.made), read, strict=True)
                ]
            )
        real_right, made_right = (np.concatenate(side) for side in zip(*right, strict=True))
        return {
            **pooled(rows, [len(part.of) for part in parts]),
            **self._areas(parts),
            "accuracy_float": round(float(real_right.mean()), 6),
            "accuracy": round(float(made_right.mean()), 6),
            "mcnemar_p": round(mcnemar(real_right, made_right), 6),
        }

    def _areas(self, parts: list[_Part]) -> Json:
        ill, real, made, _ = self._ranked(parts)
        return {
            "images": len(ill),
            "auc_float": round(auc(ill, real), 6),
            "auc": round(auc(ill, made), 6),
            "auc_drop": round(auc(ill, real) - auc(ill, made), 6),
        }

    def _interval(self, parts: list[_Part]) -> Json:
        """Return the difference of the AUCs, artifact minus float: what is lost is below zero."""
        ill, real, made, groups = self._ranked(parts)
        found = paired_auc_difference(ill, made, real, groups, seed=0)
        names = ("value", "low", "high")
        rounded = {name: round(number, 6) for name, number in zip(names, found, strict=True)}
        return {"auc_difference": rounded}

    def _ranked(self, parts: list[_Part]) -> tuple[Any, ...]:
        """Return truth, raw positive scores of both models, and groups, of the folds pooled."""
        held, of = self._held, np.concatenate([part.of for part in parts])
        made = np.concatenate([part.made for part in parts])
        return held.ill[of], held.p(held.real[of]), held.p(made), held.groups[of]
