"""Estimated latency and memory of a model on a board that nobody has measured.

The latency is the roofline time (`roofline`). On boards it is divided by the board factor, the
share of the roofline speed that boards reach. The interval comes from the errors of such estimates
(`validation`).
"""

from __future__ import annotations

from ...errors import unknown_name
from ..profiles import Profile
from ..types import CountedLayer, Estimate
from .roofline import PRECISIONS, fitted_fractions, peak_rates, roofline_ms
from .validation import error_band, speed_factor

# numpy, Pillow, one decoded field and the engine, without a model; chosen to match measurements.
BASE_MIB = 55
MIB = 2**20


def estimate(
    layers: list[CountedLayer], precision: str, profile: Profile, threads: int | None = None
) -> Estimate:
    """Return the estimate of one prediction.

    Parameters
    ----------
    layers : list of CountedLayer
        As `layer_costs.count_equal_layers` returns them.
    precision : str
        A key of `PRECISIONS`.
    profile : Profile
    threads : int, optional
        By default one for each core.

    Raises
    ------
    UsageError
        If the precision cannot be estimated.
    """
    if precision not in PRECISIONS:
        raise unknown_name("precision to estimate", precision, PRECISIONS)
    peak, fractions = peak_rates(profile, threads), fitted_fractions(precision)
    ms = roofline_ms(layers, precision, peak, fractions) / speed_factor(profile.arch)
    low, high = error_band(profile.arch, threads or profile.cores)
    basis = f"roofline; estimates were {low:.2f} to {high:.2f} times the known figures"
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


def memory_mib(layers: list[CountedLayer], precision: str) -> float:
    """Return the estimated memory of a process that classifies with a model, in MiB.

    Parameters
    ----------
    layers : list of CountedLayer
    precision : str
        A key of `PRECISIONS`.

    Notes
    -----
    `BASE_MIB`, the weights twice (as stored in the file and as converted for the kernels), and the
    activations of the largest layer.
    """
    storage = PRECISIONS[precision]
    weights = sum(count * weights for _, _, weights, _, count in layers)
    largest = max(activations for _, _, _, activations, _ in layers)
    model_bytes = weights * (storage.weight_bytes + storage.activation_bytes)
    return BASE_MIB + (model_bytes + largest * storage.activation_bytes) / MIB
