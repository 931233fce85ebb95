"""How long a model would take on a board that nobody has measured: estimates, always called so.

A roofline (`roofline`), divided on boards by how much less of it they are known to reach, with
the band of how wrong such estimates were (`evidence`).
"""

from __future__ import annotations

from ...errors import unknown_name
from ..profiles import Profile
from .evidence import band, factor_of
from .roofline import PRECISIONS, Json, Layers, rates_of, roofline_ms, shares_for

BASE_MIB = 55  # numpy, Pillow, one decoded field and the engine, without a model; fitted by eye
MIB = 2**20


def estimate(layers: Layers, precision: str, profile: Profile, threads: int | None = None) -> Json:
    """Return an estimate of one prediction, labelled so.

    Parameters
    ----------
    layers : list
        As `layer_costs.summed` returns them.
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
    roof = roofline_ms(layers, precision, rates_of(profile, threads), shares_for(precision))
    ms = roof / factor_of(profile.arch)
    low, high = band(profile.arch, threads or profile.cores)
    basis = f"roofline; estimates were {low:.2f} to {high:.2f} times the figures known"
    if precision == "int8" and profile.arch == "aarch64" and profile.accelerates_int8:
        basis += ", none of a board with dot products"
    return {
        "kind": "estimated",
        "ms": ms,
        "low_ms": ms / high,
        "high_ms": ms / low,
        "memory_mib": memory_mib(layers, precision),
        "basis": basis,
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
