"""Reads the weights of a base back out of a TFLite artifact that `alledge export` wrote.

The artifact has no batch normalization: the converter multiplied it into the convolutions. The
batch normalization of the base then only adds the bias. Weights of 8 bits become the real numbers
that they stand for, so the base computes what the artifact computes, without rounding between the
layers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BundleError
from ...runtime.tflite_graph import PARSE_ERRORS, load_schema
from .tensorflow_import import keras

Floats = NDArray[np.float32]
CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
TYPES = {"FLOAT32": np.float32, "INT8": np.int8, "INT32": np.int32}


def load_artifact_weights(base: keras.Model, path: Path) -> None:
    """Set the weights of a base to those of an artifact.

    Parameters
    ----------
    base : keras.Model
        Convolutions in a row, each followed by a batch normalization, as in MobileNetV2.
    path : Path
        A ``.tflite`` file of the same architecture, in float32 or int8.

    Raises
    ------
    BundleError
        If the file is no TFLite model, or has other convolutions than the base.
    MissingPackageError
        If ai-edge-litert, which reads the file, is not installed.
    """
    layers = _convolutions_of(base)
    rows = read_convolutions(path)
    shapes = [convolution.kernel.shape for convolution, _ in layers]
    if shapes != [kernel.shape for kernel, _ in rows]:
        raise BundleError(
            f"{path} has {len(rows)} convolutions, which are not the {len(layers)} of the base",
            allowed="the artifact of a bundle of the same model",
        )
    for (convolution, norm), (kernel, bias) in zip(layers, rows, strict=True):
        convolution.set_weights([kernel])
        one, zero = np.ones_like(bias), np.zeros_like(bias)
        norm.set_weights([one, bias, zero, one - norm.epsilon])


def read_convolutions(path: Path) -> list[tuple[Floats, Floats]]:
    """Return kernel and bias of every convolution of a TFLite model, in order, as real numbers.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of (ndarray, ndarray)
        Kernels have Keras' layout: (rows, columns, inputs, outputs), of a depthwise convolution
        (rows, columns, channels, 1).

    Raises
    ------
    BundleError
        If the file cannot be read, or its weights are neither float32 nor int8.
    MissingPackageError
        If ai-edge-litert is not installed.
    """
    schema = load_schema()
    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    try:
        model = schema.Model.GetRootAsModel(path.read_bytes(), 0)
        graph, convolutions = model.Subgraphs(0), []
        for number in range(graph.OperatorsLength()):
            operator = graph.Operators(number)
            row = model.OperatorCodes(operator.OpcodeIndex())
            if names.get(max(row.BuiltinCode(), row.DeprecatedBuiltinCode())) in CONVOLUTIONS:
                kernel, bias = (
                    _constant(schema, model, graph.Tensors(operator.Inputs(i))) for i in (1, 2)
                )
                convolutions.append((np.transpose(kernel, (1, 2, 3, 0)), bias))
        return convolutions
    except (OSError, KeyError, *PARSE_ERRORS) as error:
        raise BundleError(
            f"the weights of {path} cannot be read: {error}",
            allowed="a TFLite artifact in float32 or int8",
        ) from None


def _convolutions_of(base: keras.Model) -> list[tuple[Any, Any]]:
    """Return each convolution of a base with the batch normalization behind it."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    layers = [
        layer
        for layer in base.layers
        if isinstance(layer, (*kinds, keras.layers.BatchNormalization))
    ]
    pairs = list(zip(layers[::2], layers[1::2], strict=False))
    if len(layers) % 2 or not all(
        isinstance(first, kinds) and not isinstance(second, kinds) for first, second in pairs
    ):
        raise BundleError(
            "the convolutions of this base have no batch normalization each",
            allowed="mobilenetv2",
        )
    return pairs


def _constant(schema: Any, model: Any, tensor: Any) -> Floats:
    """Return the real numbers that a constant tensor stands for."""
    names = {code: name for name, code in vars(schema.TensorType).items()}
    kind = TYPES[names[tensor.Type()]]
    shape = tuple(tensor.Shape(axis) for axis in range(tensor.ShapeLength()))
    stored = model.Buffers(tensor.Buffer()).DataAsNumpy().view(kind).reshape(shape)
    quantization = tensor.Quantization()
    if kind is np.float32 or quantization is None or not quantization.ScaleLength():
        return np.asarray(stored, np.float32)
    axis = quantization.QuantizedDimension()
    sides = [1] * len(shape)
    if quantization.ScaleLength() > 1:
        sides[axis] = shape[axis]
    scale = quantization.ScaleAsNumpy().reshape(sides)
    zero = quantization.ZeroPointAsNumpy().reshape(sides)
    return np.asarray((stored.astype(np.float64) - zero) * scale, np.float32)
