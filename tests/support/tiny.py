"""Writes a tiny network in the three formats: ``python tiny.py FOLDER``.

The network scores the redness of a 4 x 4 grid of cells, with the largest weight on the top left
cell. Tests can therefore compute its scores, and know which region decides them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

SIZE, CELLS = 224, 4
GAIN, ELSEWHERE = 6.0, 0.05


def weights() -> np.ndarray:
    """Return the (48, 2) weights of the dense layer over cells and channels."""
    table = np.zeros((CELLS, CELLS, 3, 2), dtype=np.float32)
    table[..., 0, 1], table[..., 1, 1] = GAIN * ELSEWHERE, -GAIN * ELSEWHERE
    table[0, 0, 0, 1], table[0, 0, 1, 1] = GAIN, -GAIN
    return table.reshape(-1, 2)


def expected(rgb: np.ndarray) -> float:
    """Return the probability of a blast that the network must give, in float64."""
    cells = (rgb / 255.0).reshape(CELLS, SIZE // CELLS, CELLS, SIZE // CELLS, 3).mean(axis=(1, 3))
    logit = cells.reshape(-1) @ weights().astype(np.float64)
    return float(1 / (1 + np.exp(logit[0] - logit[1])))


def write_onnx(path: Path) -> None:
    """Write the network as ONNX."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    side = SIZE // CELLS
    nodes = [
        helper.make_node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["cast"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["nchw"], ["pool"], kernel_shape=[side] * 2, strides=[side] * 2
        ),
        helper.make_node("Transpose", ["pool"], ["nhwc"], perm=[0, 2, 3, 1]),
        helper.make_node("Flatten", ["nhwc"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(weights() / np.float32(255), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def write_openvino(source: Path, path: Path) -> None:
    """Write the ONNX network as OpenVINO IR."""
    import openvino

    openvino.save_model(openvino.convert_model(source), path, compress_to_fp16=False)


def write_tflite(path: Path) -> None:
    """Write the network as TFLite."""
    import keras
    import tensorflow as tf

    image = keras.Input(batch_shape=(1, SIZE, SIZE, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(keras.ops.cast(image, "float32"))
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(SIZE // CELLS)(x))
    dense = keras.layers.Dense(2, activation="softmax", use_bias=False)
    model = keras.Model(image, dense(x))
    dense.set_weights([weights()])
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def main(folder: Path) -> None:
    """Write the three artifacts."""
    folder.mkdir(parents=True, exist_ok=True)
    write_onnx(folder / "model.onnx")
    write_openvino(folder / "model.onnx", folder / "model.xml")
    write_tflite(folder / "model.tflite")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
