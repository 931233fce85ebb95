"""Converts ONNX to OpenVINO IR in the precisions it has; loads openvino and nncf when called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ExportError
from ..types import Images, Scores
from .last_layer import LastLayer, refit
from .quantization_recipes import PERCENTILE, Recipe
from .serving_graph import OUTPUT_NAME

QUANTILE_OUTSIDE = 1e-4  # share of an activation's values outside its range, at each end
DENSE = "MatMul"
RANKING_IMAGES = 8
# Without VNNI the sums of full-range int8 saturate; half the range for all weights prevents it.
# Measured (docs/export.md): an emulated Haswell differs by 0.10 on real fields with "disable", by
# 0.014 with "first_layer_only" and by 0 with "enable", which costs 0.005 of mean Δp on every CPU.
OVERFLOW_FIX = "enable"


def convert(
    precision: str, recipe: Recipe, calibration: Images | None, onnx: Path
) -> tuple[Any, list[str]]:
    """Return a model as an ``openvino.Model``, and the operations returned to float.

    Parameters
    ----------
    precision : str
    recipe : Recipe
        Used for int8 only.
    calibration : (N, S, S, 3) ndarray of uint8, optional
        Needed for int8.
    onnx : Path
        The model's float32 ONNX graph.

    Returns
    -------
    openvino.Model, list of str
        NNCF returns groups of operations that share quantizers to float, and undoes a step that
        made the metric worse. There may be more of them than the recipe says, or fewer.

    Raises
    ------
    ExportError
        If int8 has no calibration images.
    """
    import openvino

    model = openvino.convert_model(onnx)
    model.outputs[0].get_tensor().set_names({OUTPUT_NAME})
    if precision != "int8":
        return model, []
    if calibration is None or not len(calibration):
        raise ExportError("int8 needs calibration images", fix="--calibration DATA")
    reverted: list[str] = []
    if recipe.float_layers:
        quantized, reverted = _accuracy_aware(model, recipe, calibration)
    else:
        quantized = _quantize(model, recipe, calibration)
    _refit(quantized, openvino.convert_model(onnx), calibration)
    return quantized, reverted


def save(model: Any, precision: str, out: Path) -> None:
    """Write ``model.xml`` and its ``.bin``; float16 stores the weights in half precision."""
    import openvino

    # OpenVINO names nodes by a counter of the process: the same model would give other bytes.
    for number, node in enumerate(model.get_ordered_ops()):
        if node.get_type_name() not in ("Parameter", "Result"):
            node.set_friendly_name(f"{node.get_type_name()}_{number}")
    openvino.save_model(model, out, compress_to_fp16=precision == "float16")


def _quantize(model: Any, recipe: Recipe, calibration: Images) -> Any:
    import nncf

    return nncf.quantize(
        model,
        _dataset(calibration),
        subset_size=len(calibration),
        fast_bias_correction=recipe.correction.startswith("fast"),
        ignored_scope=nncf.IgnoredScope(names=_last_layer(model)),
        advanced_parameters=_advanced(recipe),
    )


def _accuracy_aware(model: Any, recipe: Recipe, calibration: Images) -> tuple[Any, list[str]]:
    """Quantize, then return to float the operations that NNCF ranks as the most expensive.

    The metric is the agreement with the float model on calibration images. It uses no labels.
    """
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedAccuracyRestorerParameters

    few = calibration[:RANKING_IMAGES]
    float_scores = _scores(model, few)

    def agreement(compiled: Any, images: Any) -> tuple[float, list[float]]:
        scores = np.concatenate([compiled(image)[0] for image in images])
        closeness = 1 - np.abs(scores - float_scores[: len(scores)]).max(axis=1)
        return float(closeness.mean()), [float(value) for value in closeness]

    with _record_reverted_operations() as reverted:
        quantized = nncf.quantize_with_accuracy_control(
            model,
            _dataset(calibration),
            _dataset(few),
            agreement,
            max_drop=0.0,  # unreachable, so that the recipe's number of steps is always done
            subset_size=len(calibration),
            fast_bias_correction=recipe.correction.startswith("fast"),
            ignored_scope=nncf.IgnoredScope(names=_last_layer(model)),
            advanced_quantization_parameters=_advanced(recipe),
            advanced_accuracy_restorer_parameters=AdvancedAccuracyRestorerParameters(
                max_num_iterations=recipe.float_layers, ranking_subset_size=RANKING_IMAGES
            ),
        )
    return quantized, reverted


@contextmanager
def _record_reverted_operations() -> Iterator[list[str]]:
    """Give the names of the operations that NNCF returns to float inside the context.

    NNCF only prints them, so its method that prints the report is replaced.
    """
    from nncf.quantization.algorithms.accuracy_control.algorithm import QuantizationAccuracyRestorer

    names: list[str] = []
    print_report = QuantizationAccuracyRestorer._print_report

    def record(report: Any, *rest: Any) -> None:
        names.extend(node.node_name for node in report.reverted_operations)
        print_report(report, *rest)

    QuantizationAccuracyRestorer._print_report = staticmethod(record)
    try:
        yield names
    finally:
        QuantizationAccuracyRestorer._print_report = staticmethod(print_report)


def _refit(model: Any, float_model: Any, calibration: Images) -> None:
    """Refit the last dense layer of a model to the logits of the float model."""
    from openvino import opset13

    layer, original = _dense_layer(model), _dense_layer(float_model)
    if layer is None or original is None:
        return
    weights, bias = refit(layer, original, calibration)
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

    observed = model.clone()
    dense, _ = dense_nodes(observed)
    number = len(observed.outputs)
    observed.add_outputs([dense.input_value(0)])
    compiled = openvino.compile_model(observed, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.stack([compiled(image[None])[number].ravel() for image in images])


def _dataset(images: Images) -> Any:
    import nncf

    return nncf.Dataset([image[None] for image in images])


def _scores(model: Any, images: Images) -> Scores:
    import openvino

    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([compiled(image[None])[0] for image in images])


def _advanced(recipe: Recipe) -> Any:
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

    advanced = AdvancedQuantizationParameters(overflow_fix=OverflowFix(OVERFLOW_FIX))
    if recipe.ranges == PERCENTILE:
        advanced.activations_range_estimator_params = _percentiles()
    return advanced


def _percentiles() -> Any:
    from nncf.quantization.range_estimator import (
        AggregatorType,
        RangeEstimatorParameters,
        StatisticsCollectorParameters,
        StatisticsType,
    )

    side = StatisticsCollectorParameters(
        statistics_type=StatisticsType.QUANTILE,
        aggregator_type=AggregatorType.MEAN,
        quantile_outlier_prob=QUANTILE_OUTSIDE,
    )
    return RangeEstimatorParameters(min=side, max=side)


def _last_layer(model: Any) -> list[str]:
    """Return the operations from the last dense layer on, which always stay in float."""
    operations = [
        node
        for node in model.get_ordered_ops()
        if node.get_type_name() not in ("Constant", "Result", "Parameter")
    ]
    start = max(i for i, node in enumerate(operations) if node.get_type_name() == DENSE)
    return [node.get_friendly_name() for node in operations[start:]]


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
