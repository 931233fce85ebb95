"""Validation of the estimates: each is compared with a figure that it was not fitted to.

On the calibration machine, each model is estimated with the fractions fitted to the other models.
All public figures are of small Arm boards, which reach a smaller part of their peak than a server
core. The board factor, one geometric mean over boards, corrects for that; each board is estimated
with the factor of the other boards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, partial

from ..profiles import get_profile
from ..types import CalibrationRow
from .roofline import (
    Fractions,
    calibration_rows_for,
    estimate_over_measured,
    fit_fractions,
    fitted_fractions,
    peak_rates,
    roofline_calibration,
    roofline_ms,
)

TWO_THREADS = 2
ARITHMETICS = ("float32", "int8")


@dataclass(frozen=True)
class PublicFigure:
    """A published latency.

    Parameters
    ----------
    model, device, precision : str
    threads : int
    ms : float
    source : str
        Names what had to be assumed.
    is_bound : bool
        Whether the figure is only an upper bound of the latency. Bounds set neither the board
        factor nor the error band.
    """

    model: str
    device: str
    precision: str
    threads: int
    ms: float
    source: str
    is_bound: bool = False


@dataclass(frozen=True)
class Comparison:
    """An estimate beside a known figure.

    Parameters
    ----------
    model, precision, where : str
    estimated_ms, known_ms : float
    note : str
        Source of the known figure, and what was assumed.
    is_bound : bool
        As in `PublicFigure`.
    """

    model: str
    precision: str
    where: str
    estimated_ms: float
    known_ms: float
    note: str
    is_bound: bool = False

    @property
    def ratio(self) -> float:
        """Estimated / known."""
        return self.estimated_ms / self.known_ms


PYTORCH = "PyTorch"
LOOP = "loop: upper bound, whole camera loop"
CORAL = "coral.ai, TFLite on the CPU; int8 and one thread assumed"
NANO = "CVM on the CPU; one thread assumed: four would be 15 % of the peak"

_pi_4 = partial(PublicFigure, device="raspberry-pi-4", precision="int8", threads=4)
_pi_5 = partial(PublicFigure, device="raspberry-pi-5", precision="int8", threads=4)
_coral = partial(PublicFigure, device="coral-dev-board", precision="int8", threads=1, source=CORAL)
_nano = partial(PublicFigure, device="jetson-nano", precision="float32", threads=1, source=NANO)

# Not included: the table of Keras (a server with 92 cores and TensorFlow), and figures of other
# networks or other input sizes.
PUBLIC_FIGURES = (
    _pi_4(model="mobilenetv2", ms=26.4, source=f"{PYTORCH} int8; all cores assumed"),
    _pi_4(model="inceptionv3", ms=195.5, source=f"{PYTORCH}; int8, all cores assumed"),
    _coral(model="mobilenetv2", ms=122),
    _coral(model="vgg16", ms=4595),
    _coral(model="vgg19", ms=5538),
    _nano(model="vgg16", ms=4379),
    _nano(model="vgg19", ms=5175),
    _pi_4(model="mobilenetv2", ms=1000 / 30, source=LOOP, is_bound=True),
    _pi_5(model="mobilenetv2", ms=1000 / 41, source=LOOP, is_bound=True),
)


def board_factor(left_out: str | None = None) -> float:
    """Return the share of the roofline speed that boards reach: roofline time / published time.

    Parameters
    ----------
    left_out : str, optional
        A board whose figures are ignored.

    Returns
    -------
    float
        The geometric mean over boards of each board's geometric mean. It is the same for all
        precisions: only one board has float32 figures, so a factor for float32 alone could not be
        validated on another board.
    """
    logs_by_board: dict[str, list[float]] = {}
    for figure in PUBLIC_FIGURES:
        if figure.device != left_out and not figure.is_bound:
            log_ratio = math.log(_roofline_ms_of(figure) / figure.ms)
            logs_by_board.setdefault(figure.device, []).append(log_ratio)
    means = [sum(logs) / len(logs) for logs in logs_by_board.values()]
    return math.exp(sum(means) / len(means))


def _roofline_ms_of(figure: PublicFigure) -> float:
    layers = roofline_calibration()["models"][figure.model]
    peak = peak_rates(get_profile(figure.device), figure.threads)
    return roofline_ms(layers, figure.precision, peak, fitted_fractions(figure.precision))


@cache
def leave_one_board_out() -> tuple[Comparison, ...]:
    """Return the comparison with each public figure; its board is left out of the factor."""
    return tuple(
        Comparison(
            model=figure.model,
            precision=figure.precision,
            where=figure.device,
            estimated_ms=_roofline_ms_of(figure) / board_factor(left_out=figure.device),
            known_ms=figure.ms,
            note=figure.source,
            is_bound=figure.is_bound,
        )
        for figure in PUBLIC_FIGURES
    )


@cache
def leave_one_model_out() -> tuple[Comparison, ...]:
    """Return the comparison with each one-thread calibration row; its model is left out."""
    comparisons = []
    for arithmetic in ARITHMETICS:
        rows = calibration_rows_for(arithmetic)
        for model in sorted({row["model"] for row in rows}):
            others = [row for row in rows if row["model"] != model]
            if others:
                fractions = fit_fractions(others)
                comparisons += [_compare(row, fractions) for row in rows if row["model"] == model]
    return tuple(comparisons)


@cache
def two_thread_comparisons() -> tuple[Comparison, ...]:
    """Return the comparison with each two-thread calibration row; only one thread was fitted."""
    return tuple(
        _compare(row, fitted_fractions(arithmetic))
        for arithmetic in ARITHMETICS
        for row in calibration_rows_for(arithmetic, TWO_THREADS)
    )


def _compare(row: CalibrationRow, fractions: Fractions) -> Comparison:
    threads = "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"
    return Comparison(
        model=row["model"],
        precision=row["precision"],
        where=f"calibration machine, {threads}",
        estimated_ms=estimate_over_measured(row, fractions) * row["ms"],
        known_ms=row["ms"],
        note=f"measured, {row['backend']}",
    )


def error_band(arch: str, threads: int) -> tuple[float, float]:
    """Return the smallest and the largest ratio estimated / known of comparable estimates.

    Parameters
    ----------
    arch : str
        The architecture of the calibration machine is compared with its measurements, every other
        one with the public figures of boards.
    threads : int
        For more than one thread, the two-thread rows of the calibration machine are included.
    """
    comparisons = leave_one_model_out() if _is_calibrated(arch) else leave_one_board_out()
    ratios = [row.ratio for row in comparisons if not row.is_bound]
    if threads > 1:
        ratios += [row.ratio for row in two_thread_comparisons()]
    return min(ratios), max(ratios)


def speed_factor(arch: str) -> float:
    """Return the divisor of roofline times: 1 for the calibration machine's architecture."""
    return 1.0 if _is_calibrated(arch) else board_factor()


def _is_calibrated(arch: str) -> bool:
    return bool(arch == roofline_calibration()["machine"]["arch"])
