"""Adds the features to the outputs of an artifact in memory; standard library only.

Neither the package onnx nor a TFLite converter is on a device, so both work on bytes.

References
----------
Protocol Buffers, "Encoding": the fields of a message that occurs twice are merged.
onnx/onnx.proto: ModelProto.graph is field 7, GraphProto.output field 12, ValueInfoProto.name
field 1. FlatBuffers, "Internals": an offset is relative to the place where it is stored.
"""

from __future__ import annotations

import struct

from ...errors import BackendError, BundleError
from ..bundle.feature_output import FeatureOutput

GRAPH, OUTPUT, NAME = 7, 12, 1  # field numbers
LENGTH_DELIMITED = 2
WORD = struct.Struct("<I")


def no_features(engine: str) -> BackendError:
    """Return the error of `Backend.predict_with_features` without features."""
    return BackendError(
        f"{engine} has loaded the artifact without its features",
        fix="load the classifier with features=True",
    )


def onnx_with_features(content: bytes, features: FeatureOutput) -> bytes:
    """Return an ONNX model whose second output is its features.

    Parameters
    ----------
    content : bytes
        A serialized ModelProto.
    features : FeatureOutput

    Returns
    -------
    bytes
        The same bytes, followed by a ModelProto that has only this output. A parser merges both.
    """
    name = _field(NAME, features.tensor.encode("utf-8"))
    return content + _field(GRAPH, _field(OUTPUT, name))


def tflite_with_features(content: bytes, features: FeatureOutput) -> bytearray:
    """Return a TFLite model that engines read with the second list of outputs.

    Parameters
    ----------
    content : bytes
    features : FeatureOutput

    Returns
    -------
    bytearray
        Four bytes differ.

    Raises
    ------
    BundleError
        If the list that engines read now does not have one output, or the second list does not
        begin with the same one and have two.
    """
    position, offset = features.position, features.offset
    try:
        (first,) = WORD.unpack_from(content, position)
        count, scores = struct.unpack_from("<II", content, position + first)
        second_count, second_scores = struct.unpack_from("<II", content, position + offset)
        fits = (count, second_count) == (1, 2) and scores == second_scores
        fits = fits and position + offset + 12 <= len(content)
    except struct.error:
        fits = False
    if not fits:
        raise BundleError(
            "the artifact has no second list of outputs where the bundle says",
            fix="copy the bundle again, whole, or export it again",
        )
    changed = bytearray(content)
    WORD.pack_into(changed, position, offset)
    return changed


def _field(number: int, content: bytes) -> bytes:
    """Return a field of a message: its tag, its length and its content."""
    return _varint(number << 3 | LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Return an integer in groups of seven bits, the lowest first."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
