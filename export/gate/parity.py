"""How far an artifact is from the float model, on the references; numpy only.

What it may differ by is a constant a precision, with its reason.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.metrics.decisions import apply_temperature
from ...runtime.metrics.metrics import assign_labels, positive_score
from ..convert.capabilities import GATED
from ..source_run import DecisionRule

Json = dict[str, Any]
Scores = NDArray[np.float32]
Floats = NDArray[np.float64]

SCHEMA, SCHEMA_VERSION = "alledge/parity", 1
PASS, FAIL, VAGUE = "pass", "fail", "not informative"
COMPARED = ("max_dp", "mean_dp", "agreement", "lost_positives", "to_review")
# What quantization costs is asked of images like those the model was made for, where there are
# any: on generated references a model of real smears extrapolates, and int8 ranges, calibrated on
# real smears, are not theirs (docs/all-idb1.md: mean Δp of 0.2 and more, where out-of-fold images
# show 0.02).
OUT_OF_FOLD, REFERENCES = "out-of-fold images", "references"
# What the figures beside a verdict are: the cross-fitted cost; the gate's own, where there is
# none; or those of the references, where there was no gate.
CROSS_FITTED, GATE = "cross-fitted", "gate"
GATE_PASSED, GATE_FAILED, NOT_EVALUATED = "passed", "failed", "not evaluated"
NEAR = 0.15  # calibrated probability: so far from the threshold is still its neighbourhood
LEAST_A_SIDE, LEAST_NEAR = 4, 4  # references, of 32, for parity to say anything
# Of the same artifact on another machine or engine, on the references, where scores are steepest.
# Float sums in another order differ by 1e-5; int8 kernels that do not saturate agree to rounding.
# They need not round alike: tflite-runtime 2.14, which has no XNNPACK for int8, differs by 0.33 on
# a real model's references (by 0.055 at most on its real fields, docs/all-idb1.md). So a bundle
# holds what either kind of TFLite's integer kernels answers, and verify says which it found.
HERE = {"float32": 1e-3, "float16": 5e-3, "dynamic": 0.05, "int8": 0.02}


@dataclass(frozen=True)
class Tolerance:
    """What an artifact may differ from the float model by, on raw positive scores.

    Parameters
    ----------
    max_dp, mean_dp : float
    """

    max_dp: float
    mean_dp: float


TOLERANCES = {
    # the same arithmetic in another order: at most 2e-5 measured, on references of a MobileNetV2 of
    # real smears, and less on every larger model (docs/export.md)
    "float32": Tolerance(1e-3, 1e-4),
    # 11 bits of mantissa in every weight: 0.07 to 0.09, in the mean 0.005 to 0.012, on references
    # of two MobileNetV2 of real smears, chosen where the slope is steepest, and the same in all
    # formats: it is the rounding, not a fault. The gate sees to it that no blast is lost.
    "float16": Tolerance(0.15, 0.03),
    # One image may move as far as it likes while no blast is lost, which the gate counts; the mean
    # tells a ruined model: good int8 recipes reached 0.03 on real fields, ruined ones 0.10 or more.
    "dynamic": Tolerance(1.0, 0.08),
    "int8": Tolerance(1.0, 0.08),
}


def positive(scores: Scores, reading: DecisionRule, labels: list[str], of: list[str]) -> Floats:
    """Return the calibrated probability of any positive label, (N,)."""
    return positive_score(apply_temperature(scores, reading.temperature), labels, of)


def compare(
    real: Scores,
    made: Scores,
    real_reading: DecisionRule,
    made_reading: DecisionRule,
    labels: list[str],
    positives: list[str],
    ill: NDArray[np.bool_] | None = None,
) -> Json:
    """Return how an artifact's answers differ from the float model's on the same images.

    Parameters
    ----------
    real, made : (N, C) ndarray of float32
        Raw scores of the float model and of the artifact.
    real_reading, made_reading : DecisionRule
        How each is read on a device.
    labels, positives : list of str
    ill : (N,) ndarray of bool, optional
        Which images are truly positive, where that is known: only these can be lost, since a
        false alarm that the artifact does not repeat is none.

    Returns
    -------
    dict
        ``max_dp``, ``mean_dp`` (raw), ``agreement`` of labels, ``lost_positives`` (float at or
        above its threshold, artifact below its band) and ``to_review`` (another label, but
        inside the artifact's band). Where a score is no finite number all that could be wrong is:
        Δp 1, no agreement, every positive of the float model lost.
    """
    if not (np.isfinite(real).all() and np.isfinite(made).all()):
        p = positive(np.nan_to_num(real), real_reading, labels, positives)
        found = p >= real_reading.decision.threshold
        every = int(np.sum(found if ill is None else found & ill))
        return dict(zip(COMPARED, (1.0, 1.0, 0.0, every, 0), strict=True))
    apart = np.abs(
        positive_score(real, labels, positives) - positive_score(made, labels, positives)
    )
    said = [
        assign_labels(
            apply_temperature(scores, reading.temperature),
            labels,
            positives,
            reading.decision.threshold,
        )
        for scores, reading in ((real, real_reading), (made, made_reading))
    ]
    p_real = positive(real, real_reading, labels, positives)
    p_made = positive(made, made_reading, labels, positives)
    low, high = made_reading.decision.band
    bottom = min(low, made_reading.decision.threshold)
    same = np.asarray(said[0]) == np.asarray(said[1])
    lost = (p_real >= real_reading.decision.threshold) & (p_made < bottom)
    return {
        "max_dp": round(float(min(apart.max(), 1.0)), 6),
        "mean_dp": round(float(apart.mean()), 6),
        "agreement": round(float(same.mean()), 6),
        "lost_positives": int(np.sum(lost if ill is None else lost & ill)),
        "to_review": int(np.sum(~same & (p_made >= low) & (p_made < high))),
    }


def pooled(rows: Sequence[Json], images: Sequence[int]) -> Json:
    """Return the comparisons of parts as one, each with its number of images."""
    return {
        "max_dp": max(row["max_dp"] for row in rows),
        **{
            key: round(float(np.average([row[key] for row in rows], weights=images)), 6)
            for key in ("mean_dp", "agreement")
        },
        **{key: sum(row[key] for row in rows) for key in ("lost_positives", "to_review")},
    }


def within(precision: str, comparison: Json) -> bool:
    """Return whether a comparison is inside the tolerance of a precision."""
    allowed = TOLERANCES[precision]
    return bool(comparison["max_dp"] <= allowed.max_dp and comparison["mean_dp"] <= allowed.mean_dp)


def between(
    desk: Scores,
    other: Mapping[str, Scores],
    reading: DecisionRule,
    labels: list[str],
    positives: list[str],
) -> Json:
    """Return how the same artifact answers with other kernels, against those of the desk.

    Parameters
    ----------
    desk : (N, C) ndarray of float32
    other : mapping of str to (N, C) ndarray of float32
        By the name of the kernels.
    reading : DecisionRule
    labels, positives : list of str

    Returns
    -------
    dict
        By name: the comparison, and ``outputs``, the array of ``reference/outputs.npz``.
    """
    return {
        name: {
            "outputs": f"tflite-{name.replace(' ', '-')}",
            **compare(desk, scores, reading, reading, labels, positives),
        }
        for name, scores in other.items()
    }


def coverage(
    real: Scores,
    reading: DecisionRule,
    labels: list[str],
    positives: list[str],
    least_near: int = LEAST_NEAR,
) -> Json:
    """Return how images lie about the threshold, and whether that says anything.

    `least_near` of them must lie close to it. Out-of-fold images need none: they are the very
    population that is asked about, and a good model has few of them there.
    """
    p, threshold = positive(real, reading, labels, positives), reading.decision.threshold
    below, above = int(np.sum(p < threshold)), int(np.sum(p >= threshold))
    near = int(np.sum(np.abs(p - threshold) <= NEAR))
    informative = min(below, above) >= LEAST_A_SIDE and near >= least_near
    return {
        "below": below,
        "above": above,
        "near_threshold": near,
        "informative": informative,
    }


def judge(precision: str, comparison: Json, covered: Json, measured_on: str = REFERENCES) -> Json:
    """Return the row of ``parity.json`` of one artifact, with its verdict.

    Parameters
    ----------
    precision : str
    comparison : dict
        Of `compare`.
    covered : dict
        Of `coverage`, over the same images.
    measured_on : {"out-of-fold images", "references"}

    Notes
    -----
    Lost positives play no part here: of generated references, chosen about the threshold, no one
    knows which are positive, so that a count of them proves nothing. They are the gate's matter,
    and a row without a gate says beside its verdict that it was not evaluated.
    """
    allowed = TOLERANCES[precision]
    close = within(precision, comparison)
    verdict = FAIL if not close else PASS if covered["informative"] else VAGUE
    gate = GATE_PASSED if measured_on == OUT_OF_FOLD else NOT_EVALUATED
    return {
        **{key: comparison[key] for key in COMPARED},
        "measured_on": measured_on,
        "figures": GATE if measured_on == OUT_OF_FOLD else REFERENCES,
        "gate": gate if precision in GATED else None,
        "images": covered["below"] + covered["above"],
        "coverage": covered,
        "tolerance": {
            "max_dp": allowed.max_dp,
            "mean_dp": allowed.mean_dp,
            "here_max_dp": HERE[precision],
        },
        "verdict": verdict,
    }


def cpu() -> Json:
    """Return what the references were scored on: machine and instruction sets."""
    flags: list[str] = []
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:  # noqa: PTH123
            for line in stream:
                key, _, value = line.partition(":")
                if key.strip() in ("flags", "Features"):
                    flags = sorted(set(value.split()) & INTERESTING)
                    break
    except OSError:  # not Linux: the machine's name has to do
        pass
    return {"machine": platform.machine(), "flags": flags}


# The instruction sets that integer and half-precision kernels are chosen by.
INTERESTING = frozenset(
    {
        *("sse4_1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl"),
        *("avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
        *("asimd", "asimddp", "asimdhp", "fphp", "i8mm", "bf16", "sve"),
    }
)
