"""TFLite metadata: labels, descriptions and the signature that MediaPipe and other tools read.

Needs flatbuffers and ai-edge-litert. No maintained package contains the generated Python code of
the metadata schema, so the few tables needed are written by their field numbers.

References
----------
tensorflow/tflite-support, ``metadata_schema.fbs`` (version 1.5.0).
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

from ...runtime.tflite_graph import load_schema
from .serving_graph import INPUT_NAME, OUTPUT_NAME
from .tflite_ranges import packed

SIGNATURE = "serving_default"  # the key that TensorFlow's converter writes
NAME, IDENTIFIER = "TFLITE_METADATA", b"M001"
LABELS_FILE = "labels.txt"
MINIMUM_PARSER = "1.0.0"
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can store; constant bytes

# Field numbers of the tables in metadata_schema.fbs.
MODEL_NAME, MODEL_DESCRIPTION, MODEL_VERSION, MODEL_SUBGRAPHS, MODEL_MINIMUM_PARSER = 0, 1, 2, 3, 7
SUBGRAPH_INPUTS, SUBGRAPH_OUTPUTS = 2, 3
TENSOR_NAME, TENSOR_DESCRIPTION, TENSOR_CONTENT, TENSOR_FILES = 0, 1, 3, 6
FILE_NAME, FILE_DESCRIPTION, FILE_TYPE, FILE_FIELDS = 0, 1, 2, 5
CONTENT_KIND, CONTENT_PROPERTIES, CONTENT_FIELDS = 0, 1, 3
IMAGE_COLOR_SPACE, IMAGE_FIELDS = 0, 2
# Enumerators of the same file.
TENSOR_AXIS_LABELS = 2  # AssociatedFileType
FEATURE_PROPERTIES, IMAGE_PROPERTIES = 1, 2  # ContentProperties
RGB = 1  # ColorSpaceType


def with_metadata(content: bytes, name: str) -> bytes:
    """Return a TFLite model with a signature and metadata about its input and its outputs.

    Parameters
    ----------
    content : bytes
        The flatbuffer.
    name : str
        Name of the model.

    Returns
    -------
    bytes
        The flatbuffer with a metadata buffer, which names the file of `labels_archive`.
    """
    return _with_buffer_and_signature(content, _metadata(name))


def labels_archive(labels: list[str]) -> bytes:
    """Return a zip archive with the labels, which follows the flatbuffer in its file.

    Parameters
    ----------
    labels : list of str
        In the order of the outputs.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as appended:
        info = zipfile.ZipInfo(LABELS_FILE, ZIP_DATE)
        info.external_attr = 0o644 << 16
        appended.writestr(info, "\n".join(labels) + "\n")
    return archive.getvalue()


def _with_buffer_and_signature(content: bytes, metadata: bytes) -> bytes:
    import numpy as np

    schema = load_schema()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(metadata, dtype=np.uint8)
    model.buffers.append(buffer)
    row = schema.MetadataT()
    row.name, row.buffer = NAME, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), row]
    graph, signature = model.subgraphs[0], schema.SignatureDefT()
    signature.signatureKey = SIGNATURE
    signature.inputs = [_tensor_of_signature(INPUT_NAME, graph.inputs[0])]
    signature.outputs = [_tensor_of_signature(OUTPUT_NAME, graph.outputs[0])]
    model.signatureDefs = [signature]
    return packed(model, len(content))


def _tensor_of_signature(name: str, number: int) -> Any:
    row = load_schema().TensorMapT()
    row.name, row.tensorIndex = name, number
    return row


def _metadata(name: str) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    graph = _table(
        builder,
        {
            SUBGRAPH_INPUTS: _vector(builder, [_input(builder)]),
            SUBGRAPH_OUTPUTS: _vector(builder, [_output(builder)]),
        },
    )
    model = _table(
        builder,
        {
            MODEL_NAME: builder.CreateString(name),
            MODEL_DESCRIPTION: builder.CreateString(
                "Blood smears; research software, not a medical device."
            ),
            MODEL_VERSION: builder.CreateString("1"),
            MODEL_SUBGRAPHS: _vector(builder, [graph]),
            MODEL_MINIMUM_PARSER: builder.CreateString(MINIMUM_PARSER),
        },
    )
    builder.Finish(model, file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _input(builder: Any) -> int:
    builder.StartObject(IMAGE_FIELDS)
    builder.PrependInt8Slot(IMAGE_COLOR_SPACE, RGB, 0)
    content = _content(builder, IMAGE_PROPERTIES, builder.EndObject())
    return _tensor(builder, "image", "RGB, 0 to 255, not normalized", content, [])


def _output(builder: Any) -> int:
    builder.StartObject(0)
    content = _content(builder, FEATURE_PROPERTIES, builder.EndObject())
    file_name = builder.CreateString(LABELS_FILE)
    description = builder.CreateString("the labels, in the order of the outputs")
    builder.StartObject(FILE_FIELDS)
    builder.PrependUOffsetTRelativeSlot(FILE_NAME, file_name, 0)
    builder.PrependUOffsetTRelativeSlot(FILE_DESCRIPTION, description, 0)
    builder.PrependInt8Slot(FILE_TYPE, TENSOR_AXIS_LABELS, 0)
    labels = builder.EndObject()
    return _tensor(builder, "probability", "probabilities, not calibrated", content, [labels])


def _content(builder: Any, kind: int, properties: int) -> int:
    builder.StartObject(CONTENT_FIELDS)
    builder.PrependUint8Slot(CONTENT_KIND, kind, 0)
    builder.PrependUOffsetTRelativeSlot(CONTENT_PROPERTIES, properties, 0)
    return int(builder.EndObject())


def _tensor(builder: Any, name: str, description: str, content: int, files: list[int]) -> int:
    fields = {
        TENSOR_NAME: builder.CreateString(name),
        TENSOR_DESCRIPTION: builder.CreateString(description),
        TENSOR_CONTENT: content,
    }
    if files:
        fields[TENSOR_FILES] = _vector(builder, files)
    return _table(builder, fields)


def _table(builder: Any, fields: dict[int, int]) -> int:
    """Write a table of which all fields are offsets; return its offset."""
    builder.StartObject(max(fields) + 1)
    for number, offset in fields.items():
        builder.PrependUOffsetTRelativeSlot(number, offset, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
