"""The figures of the gate: what an artifact costs on the images that test some folds, pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...runtime.metrics.intervals import auc, paired_auc_difference, wilson
from ...train.paired_tests import mcnemar
from ..types import DecisionRule, Floats, Indices, Json, Mask, Scores
from .field_units import compare_fields
from .out_of_fold import OutOfFoldPredictions
from .parity import compare, pool_comparisons


@dataclass(frozen=True)
class FoldVerdicts:
    """The rows that test one fold, the artifact's scores of them, and both decision rules."""

    rows: Indices
    artifact_scores: Scores
    float_rule: DecisionRule
    artifact_rule: DecisionRule


def lost_rate(comparison: Mapping[str, Any]) -> Json:
    """Return the share of lost positives with its 95 % interval.

    Returns
    -------
    dict
        ``value``, ``low`` and ``high``; ``none_seen_up_to`` is the rate that would be compatible
        with no lost positive among so many, so that nothing below it can be excluded.
    """
    lost, positives = comparison["lost_positives"], comparison["float_positives"]
    if not positives:
        return {"value": None, "low": 0.0, "high": 1.0, "none_seen_up_to": 1.0}
    low, high = wilson(lost, positives)
    return {
        "value": round(lost / positives, 6),
        "low": round(low, 6),
        "high": round(high, 6),
        "none_seen_up_to": round(wilson(0, positives)[1], 6),
    }


def lost_text(figures: Mapping[str, Any]) -> str:
    """Return the lost positives in words; for cells, the lost fields too.

    Examples
    --------
    >>> lost_text({"lost_positives": 2})
    '2 lost positives'
    >>> lost_text({"lost_positives": 2, "lost_fields": 1})
    '2 lost blast cells, 1 lost blast fields'
    """
    fields = figures.get("fields")
    lost = figures.get("lost_fields", fields["lost_positives"] if fields else None)
    if lost is None:
        return f"{figures['lost_positives']} lost positives"
    return f"{figures['lost_positives']} lost blast cells, {lost} lost blast fields"


def pooled_figures(predictions: OutOfFoldPredictions, parts: Sequence[FoldVerdicts]) -> Json:
    """Return the figures of some folds, pooled.

    Parameters
    ----------
    predictions : OutOfFoldPredictions
    parts : sequence of FoldVerdicts

    Returns
    -------
    dict
        Of cell models, ``fields`` has the figures of whole fields.
    """
    names = (predictions.labels, predictions.positives)
    comparisons, float_correct, artifact_correct = [], [], []
    known_parts = [_with_truth(predictions, part) for part in parts]
    for part in known_parts:
        float_scores = predictions.float_scores[part.rows]
        comparisons.append(
            compare(
                float_scores,
                part.artifact_scores,
                part.float_rule,
                part.artifact_rule,
                *names,
                predictions.is_positive[part.rows],
            )
        )
        float_correct.append(predictions.correct(part.rows, float_scores, part.float_rule))
        artifact_correct.append(
            predictions.correct(part.rows, part.artifact_scores, part.artifact_rule)
        )
    correct = np.concatenate(float_correct), np.concatenate(artifact_correct)
    fields = field_figures(predictions, parts)
    return {
        **pool_comparisons(comparisons, [len(part.rows) for part in known_parts]),
        **_areas(predictions, parts),
        "accuracy_float": round(float(correct[0].mean()), 6),
        "accuracy": round(float(correct[1].mean()), 6),
        "mcnemar_p": round(mcnemar(*correct), 6),
        **({} if fields is None else {"fields": fields}),
    }


def field_figures(predictions: OutOfFoldPredictions, parts: Sequence[FoldVerdicts]) -> Json | None:
    """Return what an artifact costs whole fields; None if the rows are no cells of fields.

    Parameters
    ----------
    predictions : OutOfFoldPredictions
    parts : sequence of FoldVerdicts

    Returns
    -------
    dict or None
        A comparison of calibrated probabilities of fields; ``field_count`` is their number. A field
        without a detected cell has no probability and is not among them.
    """
    if predictions.fields is None:
        return None
    verdicts = [
        compare_fields(
            predictions.fields,
            part.rows,
            (
                predictions.leucocytes(predictions.float_scores[part.rows], part.float_rule),
                predictions.leucocytes(part.artifact_scores, part.artifact_rule),
            ),
            (part.float_rule.field, part.artifact_rule.field),
        )
        for part in parts
    ]
    judged = [verdict for verdict in verdicts if verdict is not None]
    if not judged:
        return None
    sizes = [len(verdict.is_positive) for verdict in judged]
    pooled = pool_comparisons([verdict.comparison for verdict in judged], sizes)
    truth = np.concatenate([verdict.is_positive for verdict in judged])
    areas: dict[str, float | None] = {"auc_float": None, "auc": None}
    if len(set(truth.tolist())) == 2:
        float_p = np.concatenate([verdict.float_p for verdict in judged])
        artifact_p = np.concatenate([verdict.artifact_p for verdict in judged])
        areas = {
            "auc_float": round(auc(truth, float_p), 6),
            "auc": round(auc(truth, artifact_p), 6),
        }
    return {**pooled, "field_count": sum(sizes), "lost_rate": lost_rate(pooled), **areas}


def auc_interval(predictions: OutOfFoldPredictions, parts: Sequence[FoldVerdicts]) -> Json:
    """Return the difference of the AUCs, artifact minus float, with its 95 % interval."""
    is_positive, float_p, artifact_p, groups = _pooled_scores(predictions, parts)
    interval = paired_auc_difference(is_positive, artifact_p, float_p, groups, seed=0)
    names = ("value", "low", "high")
    rounded = {name: round(number, 6) for name, number in zip(names, interval, strict=True)}
    return {"auc_difference": rounded}


def _with_truth(predictions: OutOfFoldPredictions, part: FoldVerdicts) -> FoldVerdicts:
    """Return the rows of a part whose truth is known."""
    known = predictions.has_truth(part.rows)
    return replace(part, rows=part.rows[known], artifact_scores=part.artifact_scores[known])


def _areas(predictions: OutOfFoldPredictions, parts: Sequence[FoldVerdicts]) -> Json:
    is_positive, float_p, artifact_p, _ = _pooled_scores(predictions, parts)
    float_auc, artifact_auc = auc(is_positive, float_p), auc(is_positive, artifact_p)
    return {
        "images": len(is_positive),
        "auc_float": round(float_auc, 6),
        "auc": round(artifact_auc, 6),
        "auc_drop": round(float_auc - artifact_auc, 6),
    }


def _pooled_scores(
    predictions: OutOfFoldPredictions, parts: Sequence[FoldVerdicts]
) -> tuple[Mask, Floats, Floats, Indices]:
    """Return truth, raw positive scores of both models, and groups, of the folds pooled."""
    parts = [_with_truth(predictions, part) for part in parts]
    rows = np.concatenate([part.rows for part in parts])
    scores = np.concatenate([part.artifact_scores for part in parts])
    return (
        predictions.is_positive[rows],
        predictions.positive_scores(predictions.float_scores[rows]),
        predictions.positive_scores(scores),
        predictions.groups[rows],
    )
