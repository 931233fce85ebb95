"""How far estimates were from what is known: each counted with the evidence for it left out.

On the calibration machine each model is estimated with the shares fitted to the others. Public
figures are all of small Arm boards, and those reach less of their peak than a server's core does:
how much less is one factor, the mean of the boards, and each board is estimated with the factor of
the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from ..profiles import get_profile
from .roofline import Json, calibration, fit, rates_of, ratio_of, roofline_ms, rows_for, shares_for

BOTH_THREADS = 2


@dataclass(frozen=True)
class Figure:
    """A public figure.

    Parameters
    ----------
    model, device, precision : str
    threads : int
    ms : float
    source : str
        With what had to be assumed.
    is_bound : bool
        Whether it says only that a prediction takes no longer: it decides nothing here.
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
    """An estimate beside what is known.

    Parameters
    ----------
    model, precision, where : str
    ours_ms, known_ms : float
    note : str
        What the known figure is, and what was assumed of it.
    is_bound : bool
        As `Figure`.
    """

    model: str
    precision: str
    where: str
    ours_ms: float
    known_ms: float
    note: str
    is_bound: bool = False

    @property
    def ratio(self) -> float:
        """Estimate / known."""
        return self.ours_ms / self.known_ms


PYTORCH = "PyTorch"
LOOP = "loop: upper bound, whole camera loop"
CORAL = "coral.ai, TFLite on the CPU; int8 and one thread assumed"
NANO = "CVM on the CPU; one thread assumed: four would be 15 % of the peak"
PUBLIC = (
    Figure("mobilenetv2", "raspberry-pi-4", "int8", 4, 26.4, f"{PYTORCH} int8; all cores assumed"),
    Figure(
        "inceptionv3", "raspberry-pi-4", "int8", 4, 195.5, f"{PYTORCH}; int8, all cores assumed"
    ),
    Figure("mobilenetv2", "coral-dev-board", "int8", 1, 122, CORAL),
    Figure("vgg16", "coral-dev-board", "int8", 1, 4595, CORAL),
    Figure("vgg19", "coral-dev-board", "int8", 1, 5538, CORAL),
    Figure("vgg16", "jetson-nano", "float32", 1, 4379, NANO),
    Figure("vgg19", "jetson-nano", "float32", 1, 5175, NANO),
    Figure("mobilenetv2", "raspberry-pi-4", "int8", 4, 1000 / 30, LOOP, is_bound=True),
    Figure("mobilenetv2", "raspberry-pi-5", "int8", 4, 1000 / 41, LOOP, is_bound=True),
)
# Left out: Keras' table (a 92-core server under TensorFlow, no board of ours), and figures of other
# networks or other input sizes.


def board_factor(left_out: str | None = None) -> float:
    """Return how much of the roofline's speed boards reach: roofline / figure.

    Parameters
    ----------
    left_out : str, optional
        A board that must not vote.

    Returns
    -------
    float
        The geometric mean over boards of each board's geometric mean. One factor for all
        precisions: only one board has figures in float32, and a factor of its own could not be
        checked on another.
    """
    found: dict[str, list[float]] = {}
    for row in PUBLIC:
        if row.device != left_out and not row.is_bound:
            found.setdefault(row.device, []).append(math.log(_roofline_of(row) / row.ms))
    means = [sum(logs) / len(logs) for logs in found.values()]
    return math.exp(sum(means) / len(means))


def _roofline_of(row: Figure) -> float:
    rates = rates_of(get_profile(row.device), row.threads)
    layers = calibration()["models"][row.model]
    return roofline_ms(layers, row.precision, rates, shares_for(row.precision))


@cache
def on_boards() -> tuple[Comparison, ...]:
    """Return public figures, each board estimated with the factor of the others."""
    found = []
    for row in PUBLIC:
        ours = _roofline_of(row) / board_factor(row.device)
        found.append(
            Comparison(
                *(row.model, row.precision, row.device),
                ours_ms=ours,
                known_ms=row.ms,
                note=row.source,
                is_bound=row.is_bound,
            )
        )
    return tuple(found)


@cache
def here() -> tuple[Comparison, ...]:
    """Return the calibration machine's rows of one thread, each model left out of the fit."""
    models, found = calibration()["models"], []
    for arithmetic in ("float32", "int8"):
        rows = rows_for(arithmetic)
        for left in sorted({row["model"] for row in rows}):
            others = [row for row in rows if row["model"] != left]
            if others:
                shares = fit(others, models)
                found += [_compared(row, shares) for row in rows if row["model"] == left]
    return tuple(found)


@cache
def here_on_two_threads() -> tuple[Comparison, ...]:
    """Return the calibration machine's rows of two threads, by the shares fitted to one."""
    return tuple(
        _compared(row, shares_for(arithmetic))
        for arithmetic in ("float32", "int8")
        for row in rows_for(arithmetic, BOTH_THREADS)
    )


def _compared(row: Json, shares: tuple[float, float]) -> Comparison:
    many = "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"
    ms = float(row["ms"])
    return Comparison(
        *(row["model"], row["precision"], f"calibration machine, {many}"),
        ours_ms=ratio_of(row, calibration()["models"], shares) * ms,
        known_ms=ms,
        note=f"measured, {row['backend']}",
    )


def band(arch: str, threads: int) -> tuple[float, float]:
    """Return the least and the greatest estimate / known, of estimates like the one asked for.

    Parameters
    ----------
    arch : str
        A profile's: x86-64 is what the calibration machine is; the boards speak for the rest.
    threads : int
        More than one are held against what two did here as well.
    """
    rows = here() if _is_like_here(arch) else on_boards()
    ratios = [row.ratio for row in rows if not row.is_bound]
    if threads > 1:
        ratios += [row.ratio for row in here_on_two_threads()]
    return min(ratios), max(ratios)


def factor_of(arch: str) -> float:
    """Return what a roofline is divided by: 1 where the calibration machine's own kind is asked."""
    return 1.0 if _is_like_here(arch) else board_factor()


def _is_like_here(arch: str) -> bool:
    return bool(arch == calibration()["machine"]["arch"])
