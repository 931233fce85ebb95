"""A roofline: each layer takes as long as its arithmetic or its memory traffic, if that is longer.

Both at a share of the machine's peak; the two shares are fitted to what was measured on one machine
(``calibration.json``), each arithmetic for itself.

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

from ..profiles import Profile

Json = dict[str, Any]
Layers = list[list[Any]]  # [kind, ops, weights, activations, how many]

# Bytes of a weight and of an activation, and what the arithmetic is done in.
PRECISIONS = {
    "float32": (4, 4, "float32"),
    "float16": (2, 4, "float32"),
    "int8": (1, 1, "int8"),
}
SHARES = tuple(0.02 * 1.12**step for step in range(36))  # tried when fitting: 0.02 to 1.06
FITTED_THREADS = 1  # two share a guest's two cores with whatever else runs there


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
    """Return the peak rates of the machine of `calibration`, as `calibrate` stored them."""
    peaks = calibration()["machine"]["peaks"]
    speed = peaks["ghz"] * threads
    f32, int8 = peaks["f32_flops_per_cycle"], peaks["int8_ops_per_cycle"]
    return Rates(speed * f32, speed * int8, peaks["gb_per_s"])


def roofline_ms(layers: Layers, precision: str, rates: Rates, shares: tuple[float, float]) -> float:
    """Return the milliseconds of one prediction.

    Parameters
    ----------
    layers : list
        As `layer_costs.summed` returns them.
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
        return sum(math.log(ratio_of(row, models, shares)) ** 2 for row in rows)

    return min(itertools.product(SHARES, SHARES), key=miss)


def ratio_of(row: Json, models: dict[str, Layers], shares: tuple[float, float]) -> float:
    """Return estimate / measured of a row of `calibration`."""
    rates = desk_rates(row["threads"])
    return roofline_ms(models[row["model"]], row["precision"], rates, shares) / float(row["ms"])


def rows_for(precision: str, threads: int = FITTED_THREADS) -> list[Json]:
    """Return the measured rows of a precision's arithmetic on so many threads.

    TFLite's; ONNX Runtime's where a model has no TFLite artifact.

    Parameters
    ----------
    precision : str
    threads : int
    """
    arithmetic = PRECISIONS[precision][2]
    rows = [
        row
        for row in calibration()["rows"]
        if row["threads"] == threads
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
