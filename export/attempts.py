"""Converts to one format by the first recipe that passes the gate and the parity check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ExportError
from .convert.capabilities import ARTIFACTS, GATED
from .convert.conversion import Conversion
from .convert.quantization_recipes import Recipe, ladder
from .gate.accuracy_gate import Assessment, lost_fields
from .gate.figures import lost_text
from .gate.parity import (
    COMPARISON_KEYS,
    CROSS_FITTED,
    FAIL,
    GATE_FAILED,
    OUT_OF_FOLD,
    compare,
    compare_variants,
    judge,
    outputs_name,
)
from .preparation import Preparation
from .types import Artifact, AttemptRecord, DecisionRule, FeatureLayer, Json, References


@dataclass(frozen=True)
class Attempt:
    """One recipe that was tried.

    Parameters
    ----------
    recipe : Recipe
    assessment : Assessment, optional
        What the recipe costs; None without a gate, or if the gate could not score it.
    artifact : Artifact, optional
        None if the gate refused the recipe or a conversion failed.
    error : str, optional
        Why a conversion failed before anything was measured.
    refusal : str, optional
        Why the artifact itself is refused.
    """

    recipe: Recipe
    assessment: Assessment | None = None
    artifact: Artifact | None = None
    error: str | None = None
    refusal: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the artifact may ship."""
        return self.artifact is not None and self.refusal is None

    @property
    def reason(self) -> str:
        """Why it did not pass, for people."""
        if self.error or self.refusal or self.assessment is None:
            return self.error or self.refusal or ""
        figures = self.assessment.figures
        return (
            f"out of budget, AUC drop {figures['auc_drop']:.4f}, {lost_text(figures)}, "
            f"mean Δp {figures['mean_dp']:.4f}"
        )

    def record(self) -> AttemptRecord:
        """Return the attempt as ``bundle.json`` and ``why.json`` hold it."""
        row = AttemptRecord(recipe=self.recipe.name)
        if self.error is not None:
            row["error"] = self.error
        elif self.assessment is not None:
            row["auc_drop"] = self.assessment.figures["auc_drop"]
        if figures := self._figures():
            row["lost_positives"] = figures["lost_positives"]
            if figures.get("fields"):
                row["lost_fields"] = lost_fields(figures)
            row["max_dp"] = figures["max_dp"]
            row["mean_dp"] = figures["mean_dp"]
        row["passed"] = self.passed
        if self.refusal is not None:
            row["why"] = self.refusal
        return row

    def _figures(self) -> Json:
        """Return the gate's figures; those on the references without a gate."""
        if self.assessment is not None:
            return self.assessment.figures
        return {} if self.artifact is None else self.artifact.parity


@dataclass(frozen=True)
class FormatOutcome:
    """The result of the conversion to one format.

    Parameters
    ----------
    artifact : Artifact, optional
        The artifact that passed, or the last one that was converted; None if every conversion
        failed.
    attempts : tuple of Attempt
    failure : str, optional
        Why no recipe passed.
    """

    artifact: Artifact | None
    attempts: tuple[Attempt, ...]
    failure: str | None = None


def convert_format(
    prepared: Preparation, format_name: str, say: Callable[[str], None]
) -> FormatOutcome:
    """Try the recipes of a format in order until one passes.

    Parameters
    ----------
    prepared : Preparation
    format_name : str
    say : callable
        Called with the reason for which a recipe did not pass.
    """
    attempts: list[Attempt] = []
    for recipe in ladder(format_name, prepared.options.precision):
        attempt = try_recipe(prepared, format_name, recipe)
        attempts.append(attempt)
        if attempt.passed and attempt.artifact is not None:
            shipped = _with_gate_record(prepared, attempt.artifact, tuple(attempts))
            return FormatOutcome(shipped, tuple(attempts))
        say(f"{format_name}, {recipe.name}: {attempt.reason}")
    refused = _refused_artifact(prepared, format_name, attempts)
    return FormatOutcome(refused, tuple(attempts), _failure(prepared, attempts))


def try_recipe(prepared: Preparation, format_name: str, recipe: Recipe) -> Attempt:
    """Assess a recipe with the gate, convert the model by it, and check the artifact."""
    assessment = None
    if prepared.gate is not None:
        is_first = recipe == ladder(format_name, prepared.options.precision)[0]
        prepared.ahead.wait(format_name if is_first else None)
        try:
            assessment = prepared.gate.assess(
                format_name, recipe, beside=lambda: _artifact(prepared, format_name, recipe)
            )
        except ExportError as error:
            return Attempt(recipe, error=error.what)
        if not assessment.passed:
            return Attempt(recipe, assessment)
    rule = prepared.float_rule if assessment is None else assessment.rule
    try:
        artifact = _convert(prepared, format_name, recipe, rule, assessment)
    except ExportError as error:
        if assessment is None:
            return Attempt(recipe, error=error.what)
        return Attempt(recipe, assessment, refusal=error.what)
    return Attempt(recipe, assessment, artifact, refusal=_refusal(artifact))


def convert_artifact(
    conversion: Conversion,
    format_name: str,
    precision: str,
    recipe: Recipe,
    folder: Path,
    references: References,
    float_rule: DecisionRule,
    rule: DecisionRule,
    labels: list[str],
    positives: list[str],
) -> Artifact:
    """Convert by one recipe and compare the artifact with the float model on the references.

    Parameters
    ----------
    folder : Path
        Receives the files of the artifact.
    float_rule, rule : DecisionRule
        Of the float model and of the artifact.

    Raises
    ------
    ExportError
        If a step fails.
    """
    file, result = conversion.artifact(format_name, precision, recipe, folder)
    images, count = references.all_images, len(references.images)
    all_scores = conversion.scores(format_name, file, images)
    all_variants = conversion.variants(format_name, precision, file, images)
    scores = all_scores[:count]
    variants = {kernels: row[:count] for kernels, row in all_variants.items()}
    compared = compare(references.float_scores, scores, float_rule, rule, labels, positives)
    parity = {
        **judge(precision, compared, references.coverage),
        "shipped": None,
        "references": {**compared, "coverage": references.coverage},
        "variants": compare_variants(scores, variants, rule, labels, positives),
        "left_in_float": result["left_in_float"],
    }
    features = result.get("features")
    return Artifact(
        format_name=format_name,
        recipe=recipe,
        rule=rule,
        folder=folder,
        scores=scores,
        variants=variants,
        produced_by=result["produced_by"],
        left_in_float=result["left_in_float"],
        parity=parity,
        picture_scores={}
        if references.picture is None
        else {
            outputs_name(format_name, kernels): row[count:]
            for kernels, row in {"": all_scores, **all_variants}.items()
        },
        features=None if features is None else FeatureLayer.from_json(features),
    )


def _artifact(prepared: Preparation, format_name: str, recipe: Recipe) -> None:
    """Convert the model itself, so that `_convert` finds the artifact."""
    folder, precision = prepared.folder / format_name, prepared.options.precision
    prepared.conversion.artifact(format_name, precision, recipe, folder)


def _convert(
    prepared: Preparation,
    format_name: str,
    recipe: Recipe,
    rule: DecisionRule,
    assessment: Assessment | None,
) -> Artifact:
    """Convert the model; judge the artifact on the gate's images and on those of the run."""
    precision = prepared.options.precision
    artifact = convert_artifact(
        prepared.conversion,
        format_name,
        precision,
        recipe,
        prepared.folder / format_name,
        prepared.references,
        prepared.float_rule,
        rule,
        prepared.labels,
        prepared.positives,
    )
    parity, check, gate = artifact.parity, prepared.shipped_check, prepared.gate
    if check is None:
        return artifact
    file = artifact.folder / ARTIFACTS[format_name]
    scores = prepared.conversion.scores(format_name, file, check.chosen.images)
    if gate is None:
        return replace(artifact, parity={**parity, **check.verdict(scores, rule, precision)})
    if assessment is not None:
        parity |= judge(precision, assessment.figures, gate.coverage(), OUT_OF_FOLD)
        if "fields" in assessment.figures:
            parity["fields"] = assessment.figures["fields"]
    shipped = check.figures(scores, rule, precision, prepared.options.budget)
    if not shipped["passed"]:
        parity["verdict"] = FAIL
    return replace(artifact, parity={**parity, "shipped": shipped})


def _refusal(artifact: Artifact) -> str | None:
    """Return why an artifact is not the same model, None if it is."""
    row, shipped = artifact.parity, artifact.parity["shipped"]
    if shipped is not None and not shipped["passed"]:
        return (
            f"the artifact itself has {lost_text(shipped)} of the run's "
            f"{shipped['images']} images, max Δp {shipped['max_dp']:.4f}, "
            f"mean {shipped['mean_dp']:.4f}"
        )
    if row["verdict"] == FAIL:
        allowed = row["tolerance"]
        return (
            f"max Δp {row['max_dp']:.4f}, mean {row['mean_dp']:.4f} on the "
            f"{row['measured_on']}, allowed {allowed['max_dp']} and {allowed['mean_dp']}"
        )
    return None


def _with_gate_record(
    prepared: Preparation, artifact: Artifact, attempts: tuple[Attempt, ...]
) -> Artifact:
    """Return the artifact that passed with its gate record and its cross-fitted cost."""
    precision, gate, assessment = prepared.options.precision, prepared.gate, attempts[-1].assessment
    if precision not in GATED:
        return artifact
    tried = [attempt.record() for attempt in attempts]
    if gate is None or assessment is None:
        record: Json = {"evaluated": False, "why": prepared.no_gate_reason, "tried": tried}
        return replace(artifact, gate=record)
    cost = gate.cross_fitted_cost(artifact.format_name, ladder(artifact.format_name, precision))
    record = {
        "evaluated": True,
        "budget": {"auc_drop": gate.budget.auc_drop, "lost_rate": gate.budget.lost_rate},
        **assessment.figures,
        "tried": tried,
        "cross_fitted": None if isinstance(cost, str) else cost,
        "not_cross_fitted": cost if isinstance(cost, str) else None,
    }
    parity = artifact.parity
    if not isinstance(cost, str):
        figures = {key: cost[key] for key in (*COMPARISON_KEYS, "fields") if key in cost}
        parity = {**parity, **figures, "figures": CROSS_FITTED}
    return replace(artifact, parity=parity, gate=record)


def _refused_artifact(
    prepared: Preparation, format_name: str, attempts: list[Attempt]
) -> Artifact | None:
    """Return the last artifact that was converted; it is kept for inspection."""
    artifact = next((one.artifact for one in reversed(attempts) if one.artifact), None)
    if prepared.gate is None:
        return artifact
    if artifact is None:  # the gate refused every recipe before the model itself was converted
        try:
            artifact = _convert(
                prepared, format_name, attempts[0].recipe, prepared.float_rule, None
            )
        except ExportError:
            return None
    return replace(artifact, parity={**artifact.parity, "gate": GATE_FAILED})


def _failure(prepared: Preparation, attempts: list[Attempt]) -> str:
    """Return why no recipe passed, for people."""
    if len(attempts) == 1 and attempts[0].error:
        return attempts[0].error
    judge_name = "parity" if prepared.gate is None else "the gate"
    measured = [attempt for attempt in attempts if attempt.error is None]
    refused = [attempt for attempt in measured if attempt.refusal is not None]
    if not measured:
        detail = "; ".join(f"{attempt.recipe.name}: {attempt.error}" for attempt in attempts)
    elif refused:
        detail = f"{refused[-1].recipe.name}: {refused[-1].refusal}"
    else:
        best = min(
            (attempt.record() for attempt in measured),
            key=lambda row: (row["lost_positives"], row["auc_drop"]),
        )
        detail = (
            f"the best, {best['recipe']}, has {lost_text(best)} and loses "
            f"{best['auc_drop']:.4f} of AUC, mean Δp {best['mean_dp']:.4f}"
        )
    return f"every recipe failed {judge_name} ({detail})"
