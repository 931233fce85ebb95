"""The accuracy gate: measures a recipe on images that the converted network was not trained on.

A run keeps the network of every fold. The gate converts each by the recipe, calibrates it on
images that this network was trained on, and compares the artifact with the float network on the
images that test the fold. Temperature, threshold and band of a fold are fitted on other folds.
The figures of all folds are pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import ExportError
from ..convert.quantization_recipes import Recipe
from ..types import Coverage, DecisionRule, Indices, Json, Scores
from .figures import FoldVerdicts, auc_interval, lost_rate, pooled_figures
from .out_of_fold import OutOfFoldPredictions
from .parity import coverage, within_tolerance

# From format, recipe and fold to the raw scores of the images that test the fold.
FoldScores = Callable[[str, Recipe, int], Scores]

HOLDOUT = "holdout"  # why a run of one fold has no cross-fitted cost


@dataclass(frozen=True)
class Budget:
    """The largest loss that the gate accepts on out-of-fold images, pooled over the folds.

    Parameters
    ----------
    auc_drop : float
    lost_rate : float
        Share of the positive images that the float model finds, in [0, 1]; for cells, also of the
        positive fields.
    """

    auc_drop: float = 0.005
    lost_rate: float = 0.03

    def passes(self, figures: Json) -> bool:
        """Return whether the ``auc_drop`` and the lost positives of a recipe are within budget."""
        return figures["auc_drop"] <= self.auc_drop + 1e-12 and self.allows(figures)

    def allows(self, comparison: Mapping[str, Any]) -> bool:
        """Return whether the ``lost_positives`` of a comparison are within the budget.

        For cells, those of their ``fields`` have to be within the budget too.
        """
        allowed = self.lost_rate * comparison["float_positives"]
        within = bool(comparison["lost_positives"] <= allowed + 1e-9)
        fields = comparison.get("fields")
        return within and (fields is None or self.allows(fields))


@dataclass(frozen=True)
class Assessment:
    """The cost of a recipe over all folds.

    Parameters
    ----------
    figures : dict
        As ``bundle.json`` holds them in a gate record.
    rule : DecisionRule
        Fitted on the artifact's scores of all folds; it ships with the artifact.
    passed : bool
        Whether the figures are inside the budget and the tolerance of the precision.
    """

    figures: Json
    rule: DecisionRule
    passed: bool


def lost_fields(figures: Mapping[str, Any]) -> int:
    """Return the number of lost positive fields; 0 for a model of whole fields."""
    fields = figures.get("fields")
    return int(fields["lost_positives"]) if fields else 0


class Gate:
    """Judges recipes of one run on its out-of-fold images.

    The figures use the fitted rules. The rule that ships has a wider indeterminate band, which
    reaches as far as the conversion moves scores (``band`` of the figures has what that costs).

    The images of a cell model are cells. The same figures of whole fields are then in ``fields``.

    A positive image is *lost* if the float model scores it at or above its threshold and the
    artifact scores it below its indeterminate band. The decision rule of each model is fitted on
    its own scores of unrelated images in other folds.

    Parameters
    ----------
    predictions : OutOfFoldPredictions
    fold_scores : callable
        `alledge.export.gate.fold_artifacts.FoldArtifacts.scores`.
    precision : str
    budget : Budget
    at_once : int
        Number of folds that are converted and scored at the same time.

    Attributes
    ----------
    not_cross_fitted : str or None
        Why the run has no cross-fitted cost; None where it has one.
    """

    def __init__(
        self,
        predictions: OutOfFoldPredictions,
        fold_scores: FoldScores,
        precision: str,
        budget: Budget,
        at_once: int = 1,
    ) -> None:
        self.budget = budget
        self._at_once = at_once
        self._predictions, self._fold_scores, self._precision = predictions, fold_scores, precision
        self._folds = sorted({int(fold) for fold in predictions.folds})
        self.not_cross_fitted = self._why_not_cross_fitted()

    @property
    def fold_count(self) -> int:
        """The number of folds that are converted and scored."""
        return len(self._folds)

    def assess(
        self, format_name: str, recipe: Recipe, beside: Callable[[], object] = lambda: None
    ) -> Assessment:
        """Return what a recipe costs over all folds.

        Where other folds have no images to fit a rule on (a holdout), the run's own rule is used
        for both models.

        Parameters
        ----------
        format_name : str
        recipe : Recipe
        beside : callable, optional
            Called in another thread while the folds are converted; its errors are ignored.

        Raises
        ------
        ExportError
            If a conversion fails.
        """
        predictions = self._predictions
        self._scores_of_folds(format_name, recipe, self._folds, beside)
        parts = self._judged_folds(format_name, recipe, self._folds, predictions.float_rule)
        figures = {
            **pooled_figures(predictions, parts),
            **auc_interval(predictions, parts),
        }
        figures["lost_rate"] = lost_rate(figures)
        rule = predictions.float_rule
        if self.not_cross_fitted is None:
            rows = predictions.rows(self._folds)
            scores = self._artifact_scores(format_name, recipe, rows)
            fitted = predictions.fit_rule(rows, scores)
            rule, shift = predictions.widen_band(rows, scores, fitted)
            known = predictions.has_truth(rows)
            rows, scores = rows[known], scores[known]
            figures["band"] = {
                "shift": round(shift, 6),
                "to_review_float": predictions.in_band(
                    predictions.float_scores[rows], predictions.float_rule
                ),
                "to_review_fitted": predictions.in_band(scores, fitted),
                "to_review": predictions.in_band(scores, rule),
            }
        return Assessment(figures, rule, self._passes(figures))

    def coverage(self) -> Coverage:
        """Count the out-of-fold images below, above and near the float model's threshold."""
        predictions = self._predictions
        names = (predictions.labels, predictions.positives)
        known = predictions.has_truth(np.arange(len(predictions.truth)))
        float_scores = predictions.float_scores[known]
        return coverage(float_scores, predictions.float_rule, *names, least_near=0)

    def cross_fitted_cost(self, format_name: str, recipes: tuple[Recipe, ...]) -> Json | str:
        """Return the cost of choosing a recipe, cross-fitted, or why it is not known.

        For every fold, the recipe, the temperature and the threshold are chosen on unrelated
        images of the other folds and judged on this fold. This is cross-fitting, not nesting: the
        networks of the other folds were trained and calibrated on images of this fold.
        """
        if self.not_cross_fitted is not None:
            return self.not_cross_fitted
        parts, names = [], []
        try:
            for fold in self._folds:
                recipe, float_rule, artifact_rule = self._choose_without(fold, format_name, recipes)
                rows = self._predictions.rows([fold])
                scores = self._artifact_scores(format_name, recipe, rows)
                parts.append(FoldVerdicts(rows, scores, float_rule, artifact_rule))
                names.append(recipe.name)
        except ExportError as error:
            return error.what
        figures = {
            **pooled_figures(self._predictions, parts),
            **auc_interval(self._predictions, parts),
            "recipes": names,
        }
        return {**figures, "lost_rate": lost_rate(figures)}

    def _why_not_cross_fitted(self) -> str | None:
        if len(self._folds) < 2:
            return HOLDOUT
        for fold in self._folds:
            if not self._predictions.both_classes(self._unrelated_rows(self._folds, [fold])):
                return f"without fold {fold} all images are on one side of the diagnosis"
        return None

    def _passes(self, figures: Json) -> bool:
        return self.budget.passes(figures) and within_tolerance(self._precision, figures)

    def _unrelated_rows(self, folds: Sequence[int], to: Sequence[int]) -> Indices:
        """Return the rows of `folds` that share no group with an image of the folds `to`."""
        return self._predictions.rows([fold for fold in folds if fold not in to], to)

    def _choose_without(
        self, fold: int, format_name: str, recipes: tuple[Recipe, ...]
    ) -> tuple[Recipe, DecisionRule, DecisionRule]:
        """Return the recipe, float rule and artifact rule chosen without the images of a fold."""
        predictions = self._predictions
        others = [other for other in self._folds if other != fold]
        rows = self._unrelated_rows(self._folds, [fold])
        float_rule = predictions.fit_rule(rows, predictions.float_scores[rows])
        # refused, lost fields, lost positives, AUC drop, place in the ladder
        costs: list[tuple[bool, int, int, float, int]] = []
        for place, recipe in enumerate(recipes):
            try:
                parts = self._judged_folds(format_name, recipe, others, float_rule, [fold])
            except ExportError:
                continue
            figures = pooled_figures(predictions, parts)
            refused = not self._passes(figures)
            lost = lost_fields(figures), figures["lost_positives"]
            costs.append((refused, *lost, figures["auc_drop"], place))
            if not refused:
                break
        if not costs:
            raise ExportError(f"no recipe could be judged on the folds {others} alone")
        recipe = recipes[min(costs)[-1]]
        scores = self._artifact_scores(format_name, recipe, rows)
        return recipe, float_rule, predictions.fit_rule(rows, scores)

    def _judged_folds(
        self,
        format_name: str,
        recipe: Recipe,
        folds: Sequence[int],
        fallback: DecisionRule,
        excluded: Sequence[int] = (),
    ) -> list[FoldVerdicts]:
        """Return each fold with rules fitted on the other folds, or `fallback` if none can be.

        Rows that share a group with the folds in `excluded` are left out.
        """
        predictions, parts = self._predictions, []
        for fold in folds:
            rows = self._unrelated_rows([fold], excluded)
            if not len(rows):
                continue
            fitting = self._unrelated_rows(folds, [*excluded, fold])
            scores = self._artifact_scores(format_name, recipe, rows)
            float_rule = artifact_rule = fallback
            if predictions.both_classes(fitting):
                float_rule = predictions.fit_rule(fitting, predictions.float_scores[fitting])
                artifact_rule = predictions.fit_rule(
                    fitting, self._artifact_scores(format_name, recipe, fitting)
                )
            parts.append(FoldVerdicts(rows, scores, float_rule, artifact_rule))
        return parts

    def _artifact_scores(self, format_name: str, recipe: Recipe, rows: Indices) -> Scores:
        """Return the raw scores of some rows, each by the artifact of its fold."""
        predictions = self._predictions
        scores = np.empty((len(rows), len(predictions.labels)), dtype=np.float32)
        folds = predictions.folds[rows]
        by_fold = self._scores_of_folds(format_name, recipe, sorted(set(folds.tolist())))
        for fold, fold_scores in by_fold.items():
            inside = folds == fold
            places = np.searchsorted(predictions.rows([fold]), rows[inside])
            scores[inside] = fold_scores[places]
        return scores

    def _scores_of_folds(
        self,
        format_name: str,
        recipe: Recipe,
        folds: Sequence[int],
        beside: Callable[[], object] = lambda: None,
    ) -> dict[int, Scores]:
        """Return the raw scores of the images that test each fold; convert folds side by side."""

        def score(fold: int) -> Scores:
            return self._fold_scores(format_name, recipe, fold)

        if self._at_once == 1:
            return {fold: score(fold) for fold in folds}
        executor = ThreadPoolExecutor(self._at_once)
        try:
            scores = executor.map(score, folds)
            other = executor.submit(beside)
            by_fold = dict(zip(folds, scores, strict=True))
            other.exception()  # waits
            return by_fold
        except BaseException as error:
            # An interrupt ends the processes of the steps; after an error the other folds finish.
            executor.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
            raise
