"""How far an artifact is from the float model on the same images, and what may be tolerated."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...runtime.machine import cpu_flags
from ...runtime.metrics.decisions import apply_temperature
from ...runtime.metrics.metrics import assign_labels, positive_score
from ..convert.capabilities import GATED
from ..types import Comparison, Coverage, DecisionRule, Floats, Json, Mask, Scores

COMPARISON_KEYS = ("max_dp", "mean_dp", "agreement", "lost_positives", "to_review")
PASS, FAIL, NOT_INFORMATIVE = "pass", "fail", "not informative"
# What a verdict was measured on. Out-of-fold images come first, then images of the run: they are
# like the images that the model was made for. A model of real smears extrapolates on generated
# references, and its int8 ranges were measured on real smears (docs/export.md).
OUT_OF_FOLD, RUN_IMAGES = "out-of-fold images", "images of the run"
CALIBRATION, REFERENCES = "calibration images", "references"
# What the figures beside a verdict are: the cross-fitted cost; the gate's own figures where there
# is none; or, where no gate was evaluated, what they were measured on.
CROSS_FITTED, GATE = "cross-fitted", "gate"
GATE_PASSED, GATE_FAILED, NOT_EVALUATED = "passed", "failed", "not evaluated"
NEAR = 0.15  # calibrated probability: an image within this distance is near the threshold
MIN_PER_SIDE, MIN_NEAR = 4, 4  # of 32 references, for parity to be informative
# The tolerance of `max_dp` between the same artifact on the desk and on a device, on the
# references, where scores are steepest. Float sums in another order differ by 1e-5. int8 kernels
# that do not saturate agree to rounding, but not all kernels round alike: tflite-runtime 2.14 has
# no XNNPACK for int8 and differs by 0.33 on the references of a real model. A bundle therefore
# holds the answers of both kinds of kernels, and `alledge verify` names the kind it found.
DEVICE_MAX_DP = {"float32": 1e-3, "float16": 5e-3, "dynamic": 0.05, "int8": 0.02}


@dataclass(frozen=True)
class Tolerance:
    """How far the raw positive scores of an artifact may be from those of the float model.

    Parameters
    ----------
    max_dp, mean_dp : float
        Largest and mean absolute difference, in [0, 1].
    """

    max_dp: float
    mean_dp: float


TOLERANCES = {
    # The same arithmetic in another order: at most 2e-5 measured, on references of a MobileNetV2
    # of real smears, and less on every larger model (docs/export.md).
    "float32": Tolerance(max_dp=1e-3, mean_dp=1e-4),
    # 11 bits of mantissa in every weight: 0.07 to 0.09, with a mean of 0.005 to 0.012, on
    # references of two MobileNetV2 of real smears. All formats differ alike, so this is rounding.
    # The gate ensures that no blast is lost.
    "float16": Tolerance(max_dp=0.15, mean_dp=0.03),
    # One image may move by any amount as long as no blast is lost, which the gate counts. The mean
    # shows a broken model: good int8 recipes reached 0.03 on real fields, broken ones 0.10.
    "dynamic": Tolerance(max_dp=1.0, mean_dp=0.08),
    "int8": Tolerance(max_dp=1.0, mean_dp=0.08),
}


def positive_probability(
    scores: Scores, rule: DecisionRule, labels: list[str], positives: list[str]
) -> Floats:
    """Return the calibrated probability of any positive label, (N,), in [0, 1]."""
    return positive_score(apply_temperature(scores, rule.temperature), labels, positives)


def compare(
    float_scores: Scores,
    artifact_scores: Scores,
    float_rule: DecisionRule,
    artifact_rule: DecisionRule,
    labels: list[str],
    positives: list[str],
    is_positive: Mask | None = None,
) -> Comparison:
    """Return how the answers of an artifact differ from those of the float model.

    Parameters
    ----------
    float_scores, artifact_scores : (N, C) ndarray of float32
        Raw scores of the same images.
    float_rule, artifact_rule : DecisionRule
        The decision rule of each model.
    labels, positives : list of str
    is_positive : (N,) ndarray of bool, optional
        Which images are truly positive, where that is known. Only these can be lost: an artifact
        that does not repeat a false alarm loses nothing.

    Returns
    -------
    Comparison
        An image is a lost positive where the float model is at or above its threshold and the
        artifact is below its band. It goes to review where the labels differ and the artifact is
        inside its band. A score that is not a finite number gives the worst figures: Δp 1, no
        agreement, every positive of the float model lost.
    """
    float_p = positive_probability(np.nan_to_num(float_scores), float_rule, labels, positives)
    may_be_lost = float_p >= float_rule.thresholds.threshold
    if is_positive is not None:
        may_be_lost &= is_positive
    if not (np.isfinite(float_scores).all() and np.isfinite(artifact_scores).all()):
        return {
            "max_dp": 1.0,
            "mean_dp": 1.0,
            "agreement": 0.0,
            "lost_positives": int(may_be_lost.sum()),
            "to_review": 0,
            "float_positives": int(may_be_lost.sum()),
        }
    difference = np.abs(
        positive_score(float_scores, labels, positives)
        - positive_score(artifact_scores, labels, positives)
    )
    artifact_p = positive_probability(artifact_scores, artifact_rule, labels, positives)
    low, high = artifact_rule.thresholds.band
    same_label = _labels(float_scores, float_rule, labels, positives) == _labels(
        artifact_scores, artifact_rule, labels, positives
    )
    below_band = artifact_p < min(low, artifact_rule.thresholds.threshold)
    inside_band = (artifact_p >= low) & (artifact_p < high)
    return {
        "max_dp": round(float(min(difference.max(), 1.0)), 6),
        "mean_dp": round(float(difference.mean()), 6),
        "agreement": round(float(same_label.mean()), 6),
        "lost_positives": int(np.sum(may_be_lost & below_band)),
        "to_review": int(np.sum(~same_label & inside_band)),
        "float_positives": int(may_be_lost.sum()),
    }


def pool_comparisons(comparisons: Sequence[Comparison], images: Sequence[int]) -> Comparison:
    """Return the comparisons of several parts as one; `images` is the size of each part."""

    def mean(values: list[float]) -> float:
        return round(float(np.average(values, weights=images)), 6)

    return {
        "max_dp": max(row["max_dp"] for row in comparisons),
        "mean_dp": mean([row["mean_dp"] for row in comparisons]),
        "agreement": mean([row["agreement"] for row in comparisons]),
        "lost_positives": sum(row["lost_positives"] for row in comparisons),
        "to_review": sum(row["to_review"] for row in comparisons),
        "float_positives": sum(row["float_positives"] for row in comparisons),
    }


def within_tolerance(precision: str, comparison: Mapping[str, Any]) -> bool:
    """Return whether the Δp of a comparison is inside the tolerance of a precision."""
    allowed = TOLERANCES[precision]
    return bool(comparison["max_dp"] <= allowed.max_dp and comparison["mean_dp"] <= allowed.mean_dp)


def compare_variants(
    scores: Scores,
    variants: Mapping[str, Scores],
    rule: DecisionRule,
    labels: list[str],
    positives: list[str],
) -> Json:
    """Return how an artifact answers with other kernels, compared with those of the desk.

    Parameters
    ----------
    scores : (N, C) ndarray of float32
        By the kernels of the desk.
    variants : mapping of str to (N, C) ndarray of float32
        By the name of the kernels.
    rule : DecisionRule
    labels, positives : list of str

    Returns
    -------
    dict
        By name: the comparison, and ``outputs``, the name of the array in
        ``reference/outputs.npz``.
    """
    return {
        name: {
            "outputs": outputs_name("tflite", name),
            **compare(scores, variant, rule, rule, labels, positives),
        }
        for name, variant in variants.items()
    }


def outputs_name(format_name: str, kernels: str = "") -> str:
    """Return the name of stored outputs in ``reference/outputs.npz``.

    Examples
    --------
    >>> outputs_name("tflite"), outputs_name("tflite", "without XNNPACK")
    ('tflite', 'tflite-without-XNNPACK')
    """
    return "-".join([format_name, *kernels.split()])


def coverage(
    float_scores: Scores,
    rule: DecisionRule,
    labels: list[str],
    positives: list[str],
    least_near: int = MIN_NEAR,
) -> Coverage:
    """Return how images lie about the threshold, and whether a comparison on them is informative.

    Parameters
    ----------
    float_scores : (N, C) ndarray of float32
        Raw.
    rule : DecisionRule
    labels, positives : list of str
    least_near : int
        So many images have to be near the threshold. Out-of-fold images need none: they are the
        population that the question is about, and a good model has few of them there.
    """
    p, threshold = (
        positive_probability(float_scores, rule, labels, positives),
        rule.thresholds.threshold,
    )
    below, above = int(np.sum(p < threshold)), int(np.sum(p >= threshold))
    near = int(np.sum(np.abs(p - threshold) <= NEAR))
    return {
        "below": below,
        "above": above,
        "near_threshold": near,
        "informative": min(below, above) >= MIN_PER_SIDE and near >= least_near,
    }


def judge(
    precision: str, comparison: Mapping[str, Any], coverage: Coverage, measured_on: str = REFERENCES
) -> Json:
    """Return the row of ``parity.json`` of one artifact, with its verdict.

    Parameters
    ----------
    precision : str
    comparison : Comparison
        Other keys are ignored.
    coverage : Coverage
        Of the same images.
    measured_on : {"out-of-fold images", "images of the run", "calibration images", "references"}

    Notes
    -----
    Lost positives do not count here. Nobody knows which of the generated references are positive,
    so a count of them proves nothing. The gate counts them on labelled images, and a row without
    a gate says that it was not evaluated. Those of images of the run are recorded, but without a
    gate the artifact has the rule of the float model, so they say little about the artifact.
    """
    allowed = TOLERANCES[precision]
    if not within_tolerance(precision, comparison):
        verdict = FAIL
    else:
        verdict = PASS if coverage["informative"] else NOT_INFORMATIVE
    gate = GATE_PASSED if measured_on == OUT_OF_FOLD else NOT_EVALUATED
    return {
        **{key: comparison[key] for key in COMPARISON_KEYS},
        "measured_on": measured_on,
        "figures": GATE if measured_on == OUT_OF_FOLD else measured_on,
        "gate": gate if precision in GATED else None,
        "images": coverage["below"] + coverage["above"],
        "coverage": coverage,
        "tolerance": {
            "max_dp": allowed.max_dp,
            "mean_dp": allowed.mean_dp,
            "here_max_dp": DEVICE_MAX_DP[precision],
        },
        "verdict": verdict,
    }


def cpu_features() -> Json:
    """Return the machine and instruction sets that the references were scored with."""
    return {"machine": platform.machine(), "flags": sorted(cpu_flags() & KERNEL_FLAGS)}


# The instruction sets that engines choose integer and half-precision kernels by.
KERNEL_FLAGS = {
    "sse4_1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni",
    "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimd", "asimddp", "asimdhp", "fphp",
    "i8mm", "bf16", "sve",
}  # fmt: skip


def _labels(
    scores: Scores, rule: DecisionRule, labels: list[str], positives: list[str]
) -> np.ndarray:
    calibrated = apply_temperature(scores, rule.temperature)
    return np.asarray(assign_labels(calibrated, labels, positives, rule.thresholds.threshold))
