"""Where an artifact has the features under its last dense layer; standard library only.

The features are a tensor inside the graph. Nothing asks for it, so no other client sees it and it
costs nothing. A device that wants it makes it a second output while it loads the artifact; the
file and its hash stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..json_values import check_integer, check_known_keys, check_text

LAST_LAYERS = "last_layers.npz"  # weights and bias of the last dense layer of each artifact
MAX_FEATURES, MAX_OFFSET = 1 << 20, (1 << 31) - 1
TFLITE_KEYS, TENSOR_KEYS = ("size", "position", "offset"), ("size", "tensor")
MAX_NAME_CHARS = 500


@dataclass(frozen=True)
class FeatureOutput:
    """How an engine is made to give the features of an artifact.

    Parameters
    ----------
    size : int
        Number of features.
    tensor : str
        ONNX: the name of the tensor. OpenVINO: the friendly name of the operation that gives it.
        Empty for TFLite.
    position, offset : int
        TFLite: the artifact has a second list of outputs, with scores and features. The four bytes
        at `position` hold the distance from there to the list that engines read; `offset` is the
        distance to the second list. 0 for the other formats.
    """

    size: int
    tensor: str = ""
    position: int = 0
    offset: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the ``features`` of a format in ``bundle.json``."""
        if self.tensor:
            return {"size": self.size, "tensor": self.tensor}
        return {"size": self.size, "position": self.position, "offset": self.offset}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> FeatureOutput:
        """Return what `check_feature_output` has checked."""
        return cls(**row)


def check_feature_output(value: object, key: str, format_name: str) -> None:
    """Check the ``features`` of a format in ``bundle.json``.

    Parameters
    ----------
    value : object
    key : str
        Where it is, for the error message.
    format_name : {"tflite", "onnx", "openvino"}

    Raises
    ------
    InvalidValueError
        If a key is missing or unknown, or has the wrong type or range.
    """
    is_tflite = format_name == "tflite"
    row = check_known_keys(value, key, TFLITE_KEYS if is_tflite else TENSOR_KEYS)
    check_integer(row["size"], f"{key}.size", 1, MAX_FEATURES)
    if not is_tflite:
        check_text(row["tensor"], f"{key}.tensor", MAX_NAME_CHARS)
        return
    for name in ("position", "offset"):
        check_integer(row[name], f"{key}.{name}", 4, MAX_OFFSET)
