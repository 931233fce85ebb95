"""The roofline model: a layer takes the longer of its arithmetic time and its memory time.

Both rates are a fraction of the machine's peak. The two fractions are fitted to the measurements
of one machine (``roofline_calibration.json``), separately for float32 and int8 arithmetic.

References
----------
Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52(4), 2009.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources

from ...errors import DataError
from ...runtime.json_documents import parse_json
from ..profiles import Profile
from ..types import CalibrationRow, CountedLayer, RooflineCalibration

CALIBRATION_FILE = "roofline_calibration.json"
FRACTIONS_TRIED = tuple(0.02 * 1.12**step for step in range(36))  # 0.02 to 1.06
FITTED_THREADS = 1  # with two threads, other work of the virtual machine competes for its two cores


@dataclass(frozen=True)
class Precision:
    """How a precision stores and computes: bytes per weight and activation, and its arithmetic."""

    weight_bytes: int
    activation_bytes: int
    arithmetic: str  # "float32" or "int8"


PRECISIONS = {
    "float32": Precision(weight_bytes=4, activation_bytes=4, arithmetic="float32"),
    "float16": Precision(weight_bytes=2, activation_bytes=4, arithmetic="float32"),
    "int8": Precision(weight_bytes=1, activation_bytes=1, arithmetic="int8"),
}


@dataclass(frozen=True)
class PeakRates:
    """Peak rates of a machine.

    Parameters
    ----------
    float32_gops, int8_gops : float
        1e9 operations per second of all threads together.
    gb_per_s : float
        1e9 bytes per second.
    """

    float32_gops: float
    int8_gops: float
    gb_per_s: float


@dataclass(frozen=True)
class Fractions:
    """The fractions of the peak rates that a machine reaches."""

    arithmetic: float
    bandwidth: float


@cache
def roofline_calibration() -> RooflineCalibration:
    """Return the measurements of the calibration machine and the layers of the models."""
    file = resources.files(__package__).joinpath(CALIBRATION_FILE)
    document: RooflineCalibration = parse_json(file.read_bytes(), CALIBRATION_FILE, error=DataError)
    return document


def peak_rates(profile: Profile, threads: int | None = None) -> PeakRates:
    """Return the peak rates of a board.

    Parameters
    ----------
    profile : Profile
    threads : int, optional
        By default one for each core.
    """
    return PeakRates(
        float32_gops=profile.gops("float32", threads),
        int8_gops=profile.gops("int8", threads),
        gb_per_s=profile.gb_per_s,
    )


def calibration_peak_rates(threads: int) -> PeakRates:
    """Return the peak rates of the calibration machine."""
    peaks = roofline_calibration()["machine"]["peaks"]
    return PeakRates(
        float32_gops=peaks["ghz"] * threads * peaks["f32_flops_per_cycle"],
        int8_gops=peaks["ghz"] * threads * peaks["int8_ops_per_cycle"],
        gb_per_s=peaks["gb_per_s"],
    )


def roofline_ms(
    layers: list[CountedLayer], precision: str, peak: PeakRates, fractions: Fractions
) -> float:
    """Return the milliseconds of one prediction.

    Parameters
    ----------
    layers : list of CountedLayer
        As `layer_costs.count_equal_layers` returns them.
    precision : str
        A key of `PRECISIONS`.
    peak : PeakRates
    fractions : Fractions
    """
    storage = PRECISIONS[precision]
    peak_gops = peak.int8_gops if storage.arithmetic == "int8" else peak.float32_gops
    gops, gb_per_s = peak_gops * fractions.arithmetic, peak.gb_per_s * fractions.bandwidth
    seconds = 0.0
    for _, ops, weights, activations, count in layers:
        moved_bytes = weights * storage.weight_bytes + activations * storage.activation_bytes
        seconds += count * max(ops / gops, moved_bytes / gb_per_s) / 1e9
    return seconds * 1000


def fit_fractions(rows: list[CalibrationRow]) -> Fractions:
    """Return the fractions with the least mean squared log ratio of estimate to measurement.

    Parameters
    ----------
    rows : list of CalibrationRow
        Of one arithmetic.
    """

    def loss(fractions: Fractions) -> float:
        return sum(math.log(estimate_over_measured(row, fractions)) ** 2 for row in rows)

    grid = itertools.starmap(Fractions, itertools.product(FRACTIONS_TRIED, FRACTIONS_TRIED))
    return min(grid, key=loss)


def estimate_over_measured(row: CalibrationRow, fractions: Fractions) -> float:
    """Return the ratio of the estimate for a calibration row to its measured latency."""
    layers = roofline_calibration()["models"][row["model"]]
    peak = calibration_peak_rates(row["threads"])
    return roofline_ms(layers, row["precision"], peak, fractions) / row["ms"]


def calibration_rows_for(precision: str, threads: int = FITTED_THREADS) -> list[CalibrationRow]:
    """Return the calibration rows with a precision's arithmetic and a number of threads.

    Returns the rows of TFLite, and those of ONNX Runtime for models without a TFLite row.

    Parameters
    ----------
    precision : str
        A key of `PRECISIONS`.
    threads : int
    """
    calibration, arithmetic = roofline_calibration(), PRECISIONS[precision].arithmetic
    rows = [
        row
        for row in calibration["rows"]
        if row["threads"] == threads
        and row["precision"] in PRECISIONS
        and PRECISIONS[row["precision"]].arithmetic == arithmetic
        and row["model"] in calibration["models"]
    ]
    with_tflite = {(row["model"], row["precision"]) for row in rows if row["backend"] == "tflite"}
    return [
        row
        for row in rows
        if row["backend"] == "tflite"
        or (row["backend"] == "onnx" and (row["model"], row["precision"]) not in with_tflite)
    ]


@cache
def fitted_fractions(precision: str) -> Fractions:
    """Return the fractions fitted to all calibration rows of a precision's arithmetic."""
    return fit_fractions(calibration_rows_for(precision))
