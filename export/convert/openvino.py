"""Converts ONNX to OpenVINO IR in the precisions it has; loads openvino when called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ExportError
from ...runtime.backends.openvino_kernels import leave_amx_out
from ..types import Floats, Images, Scores
from .last_layer import LastLayer, refit
from .onnx import float_logits
from .onnx_int8 import FLOAT, quantize
from .quantization_recipes import Recipe
from .serving_graph import OUTPUT_NAME

DENSE = "MatMul"


def convert(
    precision: str, recipe: Recipe, calibration: Images | None, sources: Path
) -> tuple[Any, list[str]]:
    """Return a model as an ``openvino.Model``, and the layers left in float beside the last.

    Without VNNI the sums of full-range int8 saturate, so weights keep to half their range.

    Parameters
    ----------
    precision : str
    recipe : Recipe
        Used for int8 only.
    calibration : (N, S, S, 3) ndarray of uint8, optional
        Needed for int8.
    sources : Path
        Folder that holds the model's ``float.onnx``. It also keeps intermediate results of the
        model and its calibration images for the next recipe.

    Returns
    -------
    openvino.Model, list of str
        A layer has the name of its node in the ONNX graph.

    Raises
    ------
    ExportError
        If int8 has no calibration images.
    """
    import openvino

    file, left_in_float = sources / FLOAT, list[str]()
    if precision == "int8":
        if calibration is None or not len(calibration):
            raise ExportError("int8 needs calibration images", fix="--calibration DATA")
        file, left_in_float = quantize(sources, recipe, calibration, half_range=True)
    model = openvino.convert_model(file)
    model.outputs[0].get_tensor().set_names({OUTPUT_NAME})
    if precision == "int8" and calibration is not None:
        _refit(model, float_logits(sources, calibration), calibration)
    return model, left_in_float


def save(model: Any, precision: str, out: Path) -> None:
    """Write ``model.xml`` and its ``.bin``; float16 stores the weights in half precision."""
    import openvino

    # OpenVINO names nodes by a counter of the process: the same model would give other bytes.
    for number, node in enumerate(model.get_ordered_ops()):
        if node.get_type_name() not in ("Parameter", "Result"):
            node.set_friendly_name(f"{node.get_type_name()}_{number}")
    openvino.save_model(model, out, compress_to_fp16=precision == "float16")


def _refit(model: Any, logits: Floats | None, calibration: Images) -> None:
    """Refit the last dense layer of a model to the logits of the float model."""
    from openvino import opset13

    layer = _dense_layer(model)
    if layer is None or logits is None:
        return
    weights, bias = refit(layer, logits, calibration)
    dense, add = dense_nodes(model)
    if dense.get_attributes()["transpose_b"]:
        weights = weights.T
    shape = add.input_value(1).get_node().data.shape
    for node, value in ((dense, weights), (add, bias.reshape(shape))):
        constant = opset13.constant(np.ascontiguousarray(value, dtype=np.float32))
        node.input(1).replace_source_output(constant.output(0))


def _dense_layer(model: Any) -> LastLayer | None:
    """Return the last dense layer of a model; None if its weights are not constants in float."""
    dense, add = dense_nodes(model)
    nodes = [dense.input_value(1).get_node(), add.input_value(1).get_node()]
    if add.get_type_name() != "Add" or any(row.get_type_name() != "Constant" for row in nodes):
        return None
    weights, bias = (np.array(node.data, dtype=np.float64) for node in nodes)
    if dense.get_attributes()["transpose_b"]:
        weights = weights.T
    return LastLayer(weights, bias.ravel(), lambda images: _features(model, images))


def dense_nodes(model: Any) -> tuple[Any, Any]:
    """Return the operation of the last dense layer, and the one that takes its output."""
    dense = [node for node in model.get_ordered_ops() if node.get_type_name() == DENSE][-1]
    (after,) = dense.output(0).get_target_inputs()
    return dense, after.get_node()


def _features(model: Any, images: Images) -> Scores:
    """Return the input of the last dense layer for each image, (N, D)."""
    import openvino

    leave_amx_out()
    observed = model.clone()
    dense, _ = dense_nodes(observed)
    number = len(observed.outputs)
    observed.add_outputs([dense.input_value(0)])
    # one thread: two networks are converted side by side
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.compile_model(observed, "CPU", hints)
    return np.stack([compiled(image[None])[number].ravel() for image in images])


def write_metadata(model: Any, labels: list[str], properties: dict[str, str]) -> None:
    """Write the labels where OpenVINO Model API reads them, and alledge's own properties.

    Parameters
    ----------
    model : openvino.Model
    labels : list of str
        Model API separates them by spaces. A space in a label becomes an underscore, as in its
        own exporters.
    properties : dict of str
    """
    info = {
        "model_type": "Classification",
        "labels": " ".join(label.replace(" ", "_") for label in labels),
        "resize_type": "standard",
        "layout": f"{model.inputs[0].get_any_name()}:NHWC",
        "output_raw_scores": "True",
        "confidence_threshold": "0.0",
    }
    for key, value in info.items():
        model.set_rt_info(value, ["model_info", key])
    for key, value in properties.items():
        model.set_rt_info(value, ["alledge", key])
