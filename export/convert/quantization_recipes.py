"""The quantization recipes of each format, in the order in which an export tries them.

A recipe holds every setting that may differ between two conversions of the same model, so that
the network of a fold is converted exactly as the exported network. Imports no converter.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .capabilities import CAPABILITIES

MIN_MAX, PERCENTILE = "min-max", "percentile"


@dataclass(frozen=True)
class Recipe:
    """One way to quantize.

    Parameters
    ----------
    ranges : {"min-max", "percentile"}
        How the range of an activation is measured on the calibration images.
    correction : {"", "bias"}
        Whether biases are corrected for what quantization adds, see `bias_correction`.
    float_layers : int
        How many of the layers that lose the most accuracy are left in float, beside the last
        dense layer.
    dense_only : bool
        ONNX dynamic only: convolutions stay in float.
    prepared : bool
        ONNX and OpenVINO only: shapes are inferred and batch normalization is folded first. A
        graph that comes from TFLite has both already; a test shows that False changes nothing
        there.
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
        """A description of the recipe on one line, as bundles and messages show it."""
        parts = ["dense layers only"] if self.dense_only else [f"{self.ranges} ranges"]
        if self.correction:
            parts.append(f"{self.correction} corrected")
        if self.float_layers:
            parts.append(f"the {self.float_layers} costliest layers in float")
        return ", ".join(parts + ([] if self.prepared else ["not prepared"]))


# In the order of the cost on the device: a calibration method costs nothing at run time, a layer
# in float does. The first recipe that passes the gate is used.
QUANTIZED_ONNX = (
    Recipe(correction="bias"),
    Recipe(ranges=PERCENTILE, correction="bias"),
    Recipe(correction="bias", float_layers=4),
    Recipe(correction="bias", float_layers=12),
)
INT8_LADDERS: dict[str, tuple[Recipe, ...]] = {
    # `tflite_ranges` measures minima and maxima only.
    "tflite": (
        Recipe(correction="bias"),
        Recipe(correction="bias", float_layers=4),
        Recipe(correction="bias", float_layers=12),
    ),
    "onnx": QUANTIZED_ONNX,
    # It is converted from a quantized ONNX graph.
    "openvino": QUANTIZED_ONNX,
}
# ONNX Runtime's dynamic convolution has one scale for all channels, which breaks some models; the
# gate refuses those.
DYNAMIC_LADDERS: dict[str, tuple[Recipe, ...]] = {
    "tflite": (Recipe(),),
    "onnx": (Recipe(), Recipe(dense_only=True)),
}


def ladder(format_name: str, precision: str) -> tuple[Recipe, ...]:
    """Return the recipes to try for a format, in order; float precisions have one."""
    tables = {"int8": INT8_LADDERS, "dynamic": DYNAMIC_LADDERS}
    return tables[precision][format_name] if precision in tables else (Recipe(),)


def describe(recipe: Recipe, format_name: str, precision: str) -> str:
    """Return how an artifact was converted, for the bundle and its card."""
    how = CAPABILITIES[format_name, precision].how
    if precision not in ("int8", "dynamic"):
        return how
    refitted = "; last dense layer refitted to the float logits" if precision == "int8" else ""
    return f"{how}; {recipe.name}{refitted}"
