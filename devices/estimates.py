"""How long a model would take on a board that nobody has measured: estimates, always called so.

A roofline: each layer takes as long as its arithmetic or its memory traffic, whichever is longer,
at a share of the board's peak rates. The two shares are fitted to what was measured on one machine
(``calibration.json``). How wrong that can be is not assumed but counted: on each model with the
shares fitted to the others, and on public figures of boards (`PUBLIC`).

References
----------
Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52(4), 2009.
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ..errors import unknown_name
from .profiles import Profile, get_profile

Json = dict[str, Any]
Layers = list[list[Any]]  # [kind, ops, weights, activations, how many]

# Bytes of a weight and of an activation, and what the arithmetic is done in.
PRECISIONS = {
    "float32": (4, 4, "float32"),
    "float16": (2, 4, "float32"),
    "int8": (1, 1, "int8"),
}

# The calibration machine's peaks. Nominal: AMD Zen 5 server cores, two 512-bit FMA and two 512-bit
# VPDPBUSD a cycle (AMD Software Optimization Guide, family 1Ah); the clock under load is not shown
# to a guest, 4.5 GHz is taken; bandwidth is one core's usual share.
DESK_GHZ, DESK_F32, DESK_INT8, DESK_GB_PER_S = 4.5, 64, 256, 40.0

SHARES = tuple(0.02 * 1.12**step for step in range(36))  # tried when fitting: 0.02 to 1.06
CALIBRATION_THREADS = 1  # two share a guest's two cores with whatever else runs there
BASE_MIB = 55  # numpy, Pillow, one decoded field and the engine, without a model; fitted by eye
MIB = 2**20


@dataclass(frozen=True)
class Rates:
    """What a machine can do at most, 1e9 a second.

    Parameters
    ----------
    f32, int8 : float
        Operations of all threads used.
    gb : float
        Bytes.
    """

    f32: float
    int8: float
    gb: float


@dataclass(frozen=True)
class Figure:
    """A public figure.

    Parameters
    ----------
    model, device, precision : str
    threads : int
    ms : float
    source : str
    """

    model: str
    device: str
    precision: str
    threads: int
    ms: float
    source: str


CORAL = "coral.ai benchmarks, Dev Board CPU; threads not stated, one assumed"
NANO = "CVM benchmark, CPU; threads not stated, one assumed: four would be 15 % of the peak"
PUBLIC = (
    Figure("mobilenetv2", "raspberry-pi-4", "int8", 4, 26.4, "PyTorch tutorial, int8"),
    Figure("mobilenetv2", "raspberry-pi-4", "int8", 4, 1000 / 30, "camera loop, 30 a second"),
    Figure("mobilenetv2", "raspberry-pi-5", "int8", 4, 1000 / 41, "camera loop, 41 a second"),
    Figure("mobilenetv2", "coral-dev-board", "int8", 1, 122, CORAL),
    Figure("vgg16", "coral-dev-board", "int8", 1, 4595, CORAL),
    Figure("vgg19", "coral-dev-board", "int8", 1, 5538, CORAL),
    Figure("vgg16", "jetson-nano", "float32", 1, 4379, NANO),
    Figure("vgg19", "jetson-nano", "float32", 1, 5175, NANO),
)
# Left out: Keras' table (a 92-core server under TensorFlow, no board of ours), and figures of other
# networks or other input sizes.


@cache
def calibration() -> Json:
    """Return what was measured, and the layers of the models."""
    file = resources.files(__package__).joinpath("calibration.json")
    document: Json = json.loads(file.read_text(encoding="utf-8"))
    return document


def rates_of(profile: Profile, threads: int | None = None) -> Rates:
    """Return a board's peak rates.

    Parameters
    ----------
    profile : Profile
    threads : int, optional
        All cores where not given.
    """
    return Rates(profile.gops("float32", threads), profile.gops("int8", threads), profile.gb_per_s)


def desk_rates(threads: int) -> Rates:
    """Return the peak rates of the machine of `calibration`."""
    speed = DESK_GHZ * threads
    return Rates(speed * DESK_F32, speed * DESK_INT8, DESK_GB_PER_S)


def roofline_ms(layers: Layers, precision: str, rates: Rates, shares: tuple[float, float]) -> float:
    """Return the milliseconds of one prediction.

    Parameters
    ----------
    layers : list
        As `graph.summed` returns them.
    precision : str
        A key of `PRECISIONS`.
    rates : Rates
    shares : (float, float)
        Of the peak arithmetic and of the peak bandwidth that are reached.
    """
    weight_bytes, activation_bytes, arithmetic = PRECISIONS[precision]
    gops = (rates.int8 if arithmetic == "int8" else rates.f32) * shares[0]
    gb = rates.gb * shares[1]
    seconds = 0.0
    for _, ops, weights, activations, count in layers:
        moved = weights * weight_bytes + activations * activation_bytes
        seconds += count * max(ops / gops, moved / gb) / 1e9
    return seconds * 1000


def fit(rows: list[Json], models: dict[str, Layers]) -> tuple[float, float]:
    """Return the shares that miss the measured rows least, in the mean square of the log ratio.

    Parameters
    ----------
    rows : list of dict
        Of one backend and one precision's arithmetic.
    models : dict of str to list
    """

    def miss(shares: tuple[float, float]) -> float:
        return sum(math.log(_ratio(row, models, shares)) ** 2 for row in rows)

    return min(itertools.product(SHARES, SHARES), key=miss)


def _ratio(row: Json, models: dict[str, Layers], shares: tuple[float, float]) -> float:
    rates = desk_rates(row["threads"])
    return roofline_ms(models[row["model"]], row["precision"], rates, shares) / float(row["ms"])


def rows_for(precision: str) -> list[Json]:
    """Return the measured rows that a precision's shares are fitted to.

    TFLite's, on one thread; ONNX Runtime's where a model has no TFLite artifact.

    Parameters
    ----------
    precision : str
    """
    arithmetic = PRECISIONS[precision][2]
    rows = [
        row
        for row in calibration()["rows"]
        if row["threads"] == CALIBRATION_THREADS
        and row["precision"] in PRECISIONS
        and PRECISIONS[row["precision"]][2] == arithmetic
        and row["model"] in calibration()["models"]
    ]
    by_tflite = {(row["model"], row["precision"]) for row in rows if row["backend"] == "tflite"}
    return [
        row
        for row in rows
        if row["backend"] == "tflite"
        or (row["backend"] == "onnx" and (row["model"], row["precision"]) not in by_tflite)
    ]


@cache
def shares_for(precision: str) -> tuple[float, float]:
    """Return the fitted shares of a precision."""
    return fit(rows_for(precision), calibration()["models"])


@cache
def left_out_ratios() -> tuple[tuple[Any, ...], ...]:
    """Return estimate / measured here, each model with the shares fitted to the others.

    Returns
    -------
    tuple of (str, str, str, float, float, float)
        model, precision, where, estimated ms, measured ms, ratio.
    """
    models, found = calibration()["models"], []
    for arithmetic in ("float32", "int8"):
        rows = rows_for(arithmetic)
        for left in sorted({row["model"] for row in rows}):
            others = [row for row in rows if row["model"] != left]
            if not others:
                continue
            shares = fit(others, models)
            for row in rows:
                if row["model"] == left:
                    ratio = _ratio(row, models, shares)
                    where = f"calibration machine, {row['backend']}, 1 thread"
                    ms = float(row["ms"])
                    found.append((left, row["precision"], where, ratio * ms, ms, ratio))
    return tuple(found)


@cache
def public_ratios() -> tuple[tuple[Any, ...], ...]:
    """Return estimate / public figure, as `left_out_ratios`; `where` names the board."""
    found = []
    for row in PUBLIC:
        if row.model in calibration()["models"]:
            rates = rates_of(get_profile(row.device), row.threads)
            layers = calibration()["models"][row.model]
            ms = roofline_ms(layers, row.precision, rates, shares_for(row.precision))
            found.append((row.model, row.precision, row.device, ms, row.ms, ms / row.ms))
    return tuple(found)


def band() -> tuple[float, float]:
    """Return the least and the greatest ratio of an estimate to what was measured or published."""
    ratios = [row[-1] for row in (*left_out_ratios(), *public_ratios())]
    return min(ratios), max(ratios)


def estimate(layers: Layers, precision: str, profile: Profile, threads: int | None = None) -> Json:
    """Return an estimate of one prediction, labelled so.

    Parameters
    ----------
    layers : list
        As `graph.summed` returns them.
    precision : str
        A key of `PRECISIONS`.
    profile : Profile
    threads : int, optional

    Returns
    -------
    dict
        kind (``"estimated"``), ms, low_ms, high_ms, memory_mib, basis.

    Raises
    ------
    UsageError
        If nothing is known of this precision.
    """
    if precision not in PRECISIONS:
        raise unknown_name("precision to estimate", precision, PRECISIONS)
    ms = roofline_ms(layers, precision, rates_of(profile, threads), shares_for(precision))
    low, high = band()
    return {
        "kind": "estimated",
        "ms": ms,
        "low_ms": ms / high,
        "high_ms": ms / low,
        "memory_mib": memory_mib(layers, precision),
        "basis": f"roofline; estimates were {low:.2f} to {high:.2f} times the figures known",
    }


def memory_mib(layers: Layers, precision: str) -> float:
    """Return the estimated memory of a process that classifies with a model.

    Parameters
    ----------
    layers : list
    precision : str

    Notes
    -----
    The engine's own, the weights twice (as in the file, and as the kernels want them), and the
    largest layer's activations.
    """
    weight_bytes, activation_bytes, _ = PRECISIONS[precision]
    weights = sum(row[2] * row[4] for row in layers) * (weight_bytes + activation_bytes)
    return float(BASE_MIB + (weights + max(row[3] for row in layers) * activation_bytes) / MIB)
