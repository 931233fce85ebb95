"""What each format can do with each precision, as one table; imports nothing but the errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...errors import UsageError, unknown_name

FORMATS = ("tflite", "onnx", "openvino")
PRECISIONS = ("float32", "float16", "dynamic", "int8")
# The precisions that throw something of the float model away: these the accuracy gate judges.
GATED = frozenset({"float16", "dynamic", "int8"})
ARTIFACTS = {"tflite": "model.tflite", "onnx": "model.onnx", "openvino": "model.xml"}


@dataclass(frozen=True)
class Capability:
    """One cell of the table.

    Parameters
    ----------
    how : str
        What the precision means in this format.
    refused : str or None
        Why the format cannot do it; None where it can.
    """

    how: str
    refused: str | None = None


CAPABILITIES: dict[tuple[str, str], Capability] = {
    ("tflite", "float32"): Capability("float32 throughout"),
    ("tflite", "float16"): Capability("weights stored as float16, computed in float32"),
    ("tflite", "dynamic"): Capability(
        "weights int8, activations quantized as they come, by the older quantizer: the newer one "
        "writes FULLY_CONNECTED version 12, which tflite-runtime 2.14 cannot load"
    ),
    ("tflite", "int8"): Capability("full integer, the last dense layer and its softmax in float"),
    ("onnx", "float32"): Capability("float32 throughout"),
    ("onnx", "float16"): Capability("weights and activations float16, input and output as ever"),
    ("onnx", "dynamic"): Capability(
        "convolutions and dense layers int8, activations quantized as they come, the last dense "
        "layer in float"
    ),
    ("onnx", "int8"): Capability(
        "static QDQ, weights per channel, prepared first, the last dense layer in float"
    ),
    ("openvino", "float32"): Capability("float32 throughout"),
    ("openvino", "float16"): Capability("weights stored as float16, computed in float32"),
    ("openvino", "dynamic"): Capability(
        "",
        refused="OpenVINO quantizes activations as they come only in the dense layers of language "
        "models; a convolution has no such kernel",
    ),
    ("openvino", "int8"): Capability("NNCF post-training, the last dense layer in float"),
}


def able(precision: str, formats: Iterable[str] = FORMATS) -> tuple[str, ...]:
    """Return those of the formats that can do a precision, in their order."""
    return tuple(name for name in formats if CAPABILITIES[name, precision].refused is None)


def refused(precision: str) -> dict[str, str]:
    """Return why the formats that cannot do a precision cannot, by their names."""
    reasons = {name: CAPABILITIES[name, precision].refused for name in FORMATS}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def check_formats(precision: str, formats: Iterable[str]) -> tuple[str, ...]:
    """Return formats that were asked for, each of which can do the precision.

    Parameters
    ----------
    precision : str
        One of `PRECISIONS`.
    formats : iterable of str

    Returns
    -------
    tuple of str
        In the order of `FORMATS`, each once.

    Raises
    ------
    UsageError
        If there is no such format or precision, or a format cannot do it: nothing else is put
        in its place.
    """
    wanted = list(formats)
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    for name in wanted:
        if name not in FORMATS:
            raise unknown_name("format", name, FORMATS)
        if reason := CAPABILITIES[name, precision].refused:
            left = [other for other in able(precision) if other in wanted] or able(precision)
            raise UsageError(
                f"{name} cannot do {precision}: {reason}",
                allowed=able(precision),
                fix=f"--format {','.join(left)}",
            )
    if not wanted:
        raise UsageError("no format was named", allowed=FORMATS, fix="--format tflite")
    return tuple(name for name in FORMATS if name in wanted)
