"""Measures the ranges of a float TFLite graph, which TFLite's quantizer reads from the file.

TFLite's own calibrator is not used, for two reasons. It computes without XNNPACK, and takes three
times as long for VGG16. And where an operation writes its result in the place of its input, it
records both as the range of the input: the term of a sum gets the range of the sum, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.tflite_graph import IDENTIFIER, load_schema
from ..types import Images

SPACE = 65536  # bytes that a graph with ranges may need more; the builder grows beyond


def with_ranges(float_graph: bytes, calibration: Images) -> bytes:
    """Return a float graph with the range of every computed tensor on the calibration images.

    Parameters
    ----------
    float_graph : bytes
        A TFLite flatbuffer with one subgraph.
    calibration : (N, S, S, 3) ndarray of uint8
    """
    schema = load_schema()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(float_graph, 0))
    graph = model.subgraphs[0]
    computed = [
        int(number)
        for operator in graph.operators
        for number in operator.outputs
        if graph.tensors[number].type == schema.TensorType.FLOAT32
    ]
    outputs, signatures = graph.outputs, model.signatureDefs
    graph.outputs, model.signatureDefs = np.asarray(computed, np.int32), None
    observed = packed(model, len(float_graph))
    extremes = np.asarray([
        [(float(values.min()), float(values.max())) for values in row]
        for row in run_images(observed, calibration, num_threads=1)
    ])  # fmt: skip
    lowest, highest = extremes[..., 0].min(axis=0), extremes[..., 1].max(axis=0)
    graph.outputs, model.signatureDefs = outputs, signatures
    for number, low, high in zip(computed, lowest, highest, strict=True):
        tensor = graph.tensors[number]
        tensor.quantization = tensor.quantization or schema.QuantizationParametersT()
        tensor.quantization.min, tensor.quantization.max = [float(low)], [float(high)]
    return packed(model, len(float_graph))


def packed(model: Any, size: int) -> bytes:
    """Return the flatbuffer of a model of the object API, `ModelT`.

    Parameters
    ----------
    model : ModelT
    size : int
        Of the flatbuffer that it was read from, in bytes.
    """
    import flatbuffers

    builder = flatbuffers.Builder(size + SPACE)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def run_images(content: bytes, images: Images, **options: Any) -> Iterator[list[NDArray[Any]]]:
    """Yield the outputs of a TFLite model for each image.

    Parameters
    ----------
    content : bytes
        The flatbuffer.
    images : (N, S, S, 3) ndarray of uint8
    **options
        Of the interpreter.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, **options)
    interpreter.allocate_tensors()
    input_index = interpreter.get_input_details()[0]["index"]
    outputs = [details["index"] for details in interpreter.get_output_details()]
    for image in images:
        interpreter.set_tensor(input_index, image[None])
        interpreter.invoke()
        yield [interpreter.get_tensor(index) for index in outputs]
