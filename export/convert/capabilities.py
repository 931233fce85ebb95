"""The precisions of each format, as one table; imports no converter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...errors import UsageError, unknown_name

FORMATS = ("tflite", "onnx", "openvino")
PRECISIONS = ("float32", "float16", "dynamic", "int8")
# The precisions that lose information of the float model; the accuracy gate judges them.
GATED = frozenset({"float16", "dynamic", "int8"})
ARTIFACTS = {"tflite": "model.tflite", "onnx": "model.onnx", "openvino": "model.xml"}


@dataclass(frozen=True)
class Capability:
    """What one precision means in one format.

    Parameters
    ----------
    how : str
        How the artifact computes; empty if the format cannot do the precision.
    refused : str or None
        Why the format cannot do the precision; None if it can.
    """

    how: str
    refused: str | None = None


CAPABILITIES: dict[tuple[str, str], Capability] = {
    ("tflite", "float32"): Capability("float32 throughout"),
    ("tflite", "float16"): Capability("weights stored as float16, computed in float32"),
    ("tflite", "dynamic"): Capability(
        "weights int8, activations quantized at run time, by the older quantizer: the newer one "
        "writes FULLY_CONNECTED version 12, which tflite-runtime 2.14 cannot load"
    ),
    ("tflite", "int8"): Capability(
        "integer; the scaling of the pixels, the average and the last dense layer in float"
    ),
    ("onnx", "float32"): Capability("float32 throughout"),
    ("onnx", "float16"): Capability("weights and activations float16, input and output unchanged"),
    ("onnx", "dynamic"): Capability(
        "convolutions and dense layers int8, activations quantized at run time, the last dense "
        "layer in float"
    ),
    ("onnx", "int8"): Capability(
        "static QDQ after preprocessing, weights per channel, the last dense layer in float"
    ),
    ("openvino", "float32"): Capability("float32 throughout"),
    ("openvino", "float16"): Capability("weights stored as float16, computed in float32"),
    ("openvino", "dynamic"): Capability(
        "",
        refused="OpenVINO quantizes activations at run time only in the dense layers of language "
        "models; it has no such kernel for convolutions",
    ),
    ("openvino", "int8"): Capability(
        "from static QDQ ONNX, weights per channel in half their range, the last dense layer in "
        "float"
    ),
}


def supported_formats(precision: str, formats: Iterable[str] = FORMATS) -> tuple[str, ...]:
    """Return those of the formats that can do a precision, in the given order."""
    return tuple(name for name in formats if CAPABILITIES[name, precision].refused is None)


def unsupported_formats(precision: str) -> dict[str, str]:
    """Return the formats that cannot do a precision, each with the reason."""
    reasons = {name: CAPABILITIES[name, precision].refused for name in FORMATS}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def check_formats(precision: str, formats: Iterable[str]) -> tuple[str, ...]:
    """Return the requested formats, after checking that each can do the precision.

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
        If a format or the precision is unknown, no format is named, or a format cannot do the
        precision. No other format is substituted.
    """
    requested = list(formats)
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    for name in requested:
        if name not in FORMATS:
            raise unknown_name("format", name, FORMATS)
        if reason := CAPABILITIES[name, precision].refused:
            able = supported_formats(precision)
            left = [other for other in able if other in requested] or able
            raise UsageError(
                f"{name} cannot do {precision}: {reason}",
                allowed=able,
                fix=f"--format {','.join(left)}",
            )
    if not requested:
        raise UsageError("no format was named", allowed=FORMATS, fix="--format tflite")
    return tuple(name for name in FORMATS if name in requested)
