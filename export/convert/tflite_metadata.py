"""TFLite metadata, so that MediaPipe and others read the labels; needs flatbuffers.

The schema is small and stable, its Python writer is not (it has left MediaPipe): the few tables
needed are written by field number.

References
----------
tensorflow/tflite-support, ``metadata_schema.fbs`` (version 1.5.0).
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

NAME, IDENTIFIER = "TFLITE_METADATA", b"M001"
LABELS_FILE = "labels.txt"
MINIMUM_PARSER = "1.0.0"
# Field numbers and enumerators of metadata_schema.fbs.
TENSOR_AXIS_LABELS = 2  # AssociatedFileType
IMAGE_PROPERTIES, FEATURE_PROPERTIES = 2, 1  # ContentProperties
RGB = 1  # ColorSpaceType
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest there is: the same bytes every time


def with_labels(content: bytes, labels: list[str], name: str) -> bytes:
    """Return a TFLite model that says what its input is and how its outputs are called.

    Parameters
    ----------
    content : bytes
        The flatbuffer.
    labels : list of str
        In the order of the outputs.
    name : str

    Returns
    -------
    bytes
        The flatbuffer with a metadata buffer, and the file of labels appended as a zip archive.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        info = zipfile.ZipInfo(LABELS_FILE, ZIP_DATE)
        info.external_attr = 0o644 << 16
        packed.writestr(info, "\n".join(labels) + "\n")
    return _with_buffer(content, _metadata(name)) + archive.getvalue()


def _with_buffer(content: bytes, metadata: bytes) -> bytes:
    import flatbuffers
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(metadata, dtype=np.uint8)
    model.buffers.append(buffer)
    row = schema.MetadataT()
    row.name, row.buffer = NAME, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), row]
    builder = flatbuffers.Builder(len(content) + len(metadata) + 4096)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _metadata(name: str) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    graph = _table(
        builder,
        {
            2: _vector(builder, [_input(builder)]),
            3: _vector(builder, [_output(builder)]),
        },
    )
    model = _table(
        builder,
        {
            0: builder.CreateString(name),
            1: builder.CreateString("Blood smears; research software, not a medical device."),
            2: builder.CreateString("1"),
            3: _vector(builder, [graph]),
            7: builder.CreateString(MINIMUM_PARSER),
        },
    )
    builder.Finish(model, file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _input(builder: Any) -> int:
    builder.StartObject(2)
    builder.PrependInt8Slot(0, RGB, 0)
    content = _content(builder, IMAGE_PROPERTIES, builder.EndObject())
    return _tensor(builder, "image", "RGB, 0 to 255, not normalized", content, [])


def _output(builder: Any) -> int:
    builder.StartObject(0)
    content = _content(builder, FEATURE_PROPERTIES, builder.EndObject())
    file_name = builder.CreateString(LABELS_FILE)
    about = builder.CreateString("the labels, in the order of the outputs")
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(0, file_name, 0)
    builder.PrependUOffsetTRelativeSlot(1, about, 0)
    builder.PrependInt8Slot(2, TENSOR_AXIS_LABELS, 0)
    labels = builder.EndObject()
    return _tensor(builder, "probability", "probabilities, not calibrated", content, [labels])


def _content(builder: Any, kind: int, properties: int) -> int:
    builder.StartObject(3)
    builder.PrependUint8Slot(0, kind, 0)
    builder.PrependUOffsetTRelativeSlot(1, properties, 0)
    return int(builder.EndObject())


def _tensor(builder: Any, name: str, about: str, content: int, files: list[int]) -> int:
    fields = {0: builder.CreateString(name), 1: builder.CreateString(about), 3: content}
    if files:
        fields[6] = _vector(builder, files)
    return _table(builder, fields)


def _table(builder: Any, fields: dict[int, int]) -> int:
    """Write a table whose fields are all offsets."""
    builder.StartObject(max(fields) + 1)
    for number, offset in fields.items():
        builder.PrependUOffsetTRelativeSlot(number, offset, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
