"""How int8 is made: the recipes of each format, in the order in which the gate tries them.

A recipe says all that may differ between two conversions of the same model; it is data, so that a
fold's model is converted exactly as the exported one is. Imports no converter.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .capabilities import CAPABILITIES

MIN_MAX, PERCENTILE, ENTROPY = "min-max", "percentile", "entropy"


@dataclass(frozen=True)
class Recipe:
    """One way to quantize.

    Parameters
    ----------
    ranges : {"min-max", "percentile", "entropy"}
        How the range of an activation is found on the calibration images.
    correction : {"", "fast bias", "bias"}
        What is mended after quantizing, where the format offers it.
    float_layers : int
        So many of the layers that cost most are left in float, beside the last.
    dense_only : bool
        ONNX dynamic only: convolutions stay in float.
    prepared : bool
        ONNX only: shapes inferred and batch normalization folded first. False is for showing
        that it changes nothing where the graph comes from TFLite, which has done both.
    """

    ranges: str = MIN_MAX
    correction: str = ""
    float_layers: int = 0
    dense_only: bool = False
    prepared: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as a JSON object."""
        return asdict(self)

    @property
    def name(self) -> str:
        """The recipe for people, one line."""
        parts = ["dense layers only"] if self.dense_only else [f"{self.ranges} ranges"]
        if self.correction:
            parts.append(f"{self.correction} corrected")
        if self.float_layers:
            parts.append(f"the {self.float_layers} costliest layers in float")
        return ", ".join(parts + ([] if self.prepared else ["not prepared"]))


# From the cheapest on the device to the dearest: a calibration method costs nothing at run time,
# a layer in float does. The first that passes the gate is taken.
LADDERS: dict[str, tuple[Recipe, ...]] = {
    # TFLite's calibrator knows minima and maxima only, and offers no correction.
    "tflite": (Recipe(), Recipe(float_layers=4), Recipe(float_layers=12)),
    "onnx": (
        Recipe(),
        Recipe(ranges=PERCENTILE),
        Recipe(ranges=ENTROPY),
        Recipe(float_layers=4),
        Recipe(float_layers=12),
    ),
    "openvino": (
        # the slower bias correction first: a fifth of the Δp of the fast one on real fields.
        # NNCF's channel alignment is no recipe: 3.4 ends in a KeyError wherever two layers align.
        Recipe(correction="bias"),
        Recipe(correction="fast bias"),
        Recipe(ranges=PERCENTILE, correction="bias"),
        Recipe(correction="fast bias", float_layers=4),
        Recipe(correction="fast bias", float_layers=12),
    ),
}
# Its convolution kernel has one scale for all channels, which ruins some models: the gate tells.
DYNAMIC: dict[str, tuple[Recipe, ...]] = {
    "tflite": (Recipe(),),
    "onnx": (Recipe(), Recipe(dense_only=True)),
}


def ladder(form: str, precision: str) -> tuple[Recipe, ...]:
    """Return the recipes to try for a format; the float precisions have one way only."""
    tables = {"int8": LADDERS, "dynamic": DYNAMIC}
    return tables[precision][form] if precision in tables else (Recipe(),)


def describe(recipe: Recipe, form: str, precision: str) -> str:
    """Return how an artifact was made, for the bundle and its card."""
    how = CAPABILITIES[form, precision].how
    return f"{how}; {recipe.name}" if precision in ("int8", "dynamic") else how
