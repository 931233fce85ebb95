"""Estimated latency of one field whose cells a model judges: decode, detect, then every cell."""

from __future__ import annotations

from ...runtime.cells.crop_settings import CropSettings
from ..profiles import Profile
from ..types import CountedLayer, Estimate, ResultRow
from .estimate import estimate
from .roofline import PRECISIONS, roofline_calibration
from .validation import speed_factor

# CPU time of one thread on the calibration machine, the fastest of nine, for Im040_0.jpg of
# ALL-IDB1 (2592 x 1944 pixels). A generated field of this size takes 20 and 48.
DECODE_MS, DETECT_MS = 36.0, 56.0
FIELD_SIZE = 224  # side of the images on which the layers of the calibration were counted
DEFAULT_CELLS = 20  # leucocytes of a field
CELL_BASIS = (
    "{cells} cells of {size} pixels; decode and detect as on the calibration machine, scaled by "
    "the clock and never compared with a board"
)


def layers_for_size(layers: list[CountedLayer], size: int) -> list[CountedLayer]:
    """Return the layers of a model for another size of its images.

    Parameters
    ----------
    layers : list of CountedLayer
        Of a model of images of 224 pixels.
    size : int
        Side of the images, in pixels.

    Returns
    -------
    list of CountedLayer
        Operations and activations in proportion to the area. A layer that works on one position
        only, and the number of weights, stay as they are.
    """
    share = (size / FIELD_SIZE) ** 2
    scaled = []
    for kind, ops, weights, activations, count in layers:
        positions = ops / (2 * weights) if weights else float("inf")
        factor = max(share, min(1.0, 1 / positions))
        scaled.append(
            (kind, round(ops * factor), weights, max(1, round(activations * factor)), count)
        )
    return scaled


def field_stages_ms(profile: Profile) -> float:
    """Return the estimated milliseconds to decode a field of five megapixels and find its cells."""
    calibrated_ghz = float(roofline_calibration()["machine"]["peaks"]["ghz"])
    clock = calibrated_ghz / profile.ghz
    return (DECODE_MS + DETECT_MS) * clock / min(1.0, speed_factor(profile.arch))


def estimate_field(
    layers: list[CountedLayer],
    precision: str,
    profile: Profile,
    cells: int = DEFAULT_CELLS,
    size: int | None = None,
) -> Estimate:
    """Return the estimate of one field whose cells are judged one by one.

    Parameters
    ----------
    layers : list of CountedLayer
        Of a model of images of 224 pixels, as the calibration has them.
    precision : str
        A key of `PRECISIONS`.
    profile : Profile
    cells : int
        Number of cells of the field, at least 0.
    size : int, optional
        Side of the square of a cell, in pixels; the default of `CropSettings` if left out.

    Returns
    -------
    dict
        The band of the model applies to all stages.

    Raises
    ------
    UsageError
        If the precision cannot be estimated.
    """
    size = size or CropSettings().size
    one = estimate(layers_for_size(layers, size), precision, profile)
    before = field_stages_ms(profile)
    low, high = one["ms"] / one["high_ms"], one["ms"] / one["low_ms"]
    total = before + cells * one["ms"]
    return {
        **one,
        "ms": total,
        "low_ms": total * low,
        "high_ms": total * high,
        "basis": f"{one['basis']}; {CELL_BASIS.format(cells=cells, size=size)}",
    }


def estimated_cell_rows(boards: list[Profile], cells: int = DEFAULT_CELLS) -> list[ResultRow]:
    """Return an estimate for every model and precision on each board that runs alledge.

    Parameters
    ----------
    boards : list of Profile
    cells : int
        Number of cells of the field.
    """
    return [
        {
            "device": profile.name,
            "model": model,
            "precision": precision,
            "backend": profile.data["pack"]["backend"],
            "threads": profile.cores,
            **estimate_field(layers, precision, profile, cells),
        }
        for profile in boards
        if profile.runs
        for model, layers in roofline_calibration()["models"].items()
        for precision in PRECISIONS
    ]
