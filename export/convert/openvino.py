"""ONNX to OpenVINO IR in every precision it has; loads openvino and nncf when called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ExportError
from .quantization_recipes import ENTROPY, PERCENTILE, Recipe
from .serving_graph import OUTPUT_NAME

Images = NDArray[np.uint8]
QUANTILE_CUT = 1e-4  # share of an activation's values left outside at each end
DENSE = "MatMul"
RANKING_IMAGES = 8
# Without VNNI the sums of full-range int8 saturate; half the range for all weights prevents it.
# Measured (docs/export.md): an emulated Haswell differs by 0.10 on real fields without it, by 0.014
# with "first_layer_only", by nothing with "enable", which costs 0.005 of mean Δp everywhere.
OVERFLOW_FIX = "enable"


def convert(
    precision: str, recipe: Recipe, calibration: Images | None, onnx: Path
) -> tuple[Any, list[str]]:
    """Return a model as an ``openvino.Model``, and the operations put back in float.

    Parameters
    ----------
    precision : str
    recipe : Recipe
        Counts for int8 only.
    calibration : (N, S, S, 3) ndarray of uint8, optional
        Needed for int8.
    onnx : Path
        The model's float32 ONNX graph.

    Returns
    -------
    openvino.Model, list of str
        NNCF puts operations back by groups that share their quantizers, and takes a step back
        where that made things worse: there may be more of them than the recipe says, or fewer.

    Raises
    ------
    ExportError
        If int8 is asked for without calibration images.
    """
    import openvino

    model = openvino.convert_model(onnx)
    model.outputs[0].get_tensor().set_names({OUTPUT_NAME})
    if precision != "int8":
        return model, []
    if calibration is None or not len(calibration):
        raise ExportError("int8 needs calibration images", fix="--calibration DATA")
    if recipe.float_layers:
        reverted = _watch_reverted()
        return _accuracy_aware(model, recipe, calibration), reverted
    return _quantize(model, recipe, calibration), []


def save(model: Any, precision: str, out: Path) -> None:
    """Write ``model.xml`` and its ``.bin``; float16 stores the weights so."""
    import openvino

    # OpenVINO numbers nodes by a counter of the process, which is not the same twice
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


def _accuracy_aware(model: Any, recipe: Recipe, calibration: Images) -> Any:
    """Quantize, then put back in float what costs most, as NNCF ranks it.

    The metric is the agreement with the float model on calibration images: labels play no part.
    """
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedAccuracyRestorerParameters

    few = calibration[:RANKING_IMAGES]
    wanted = _scores(model, few)

    def agreement(compiled: Any, images: Any) -> tuple[float, list[float]]:
        found = np.concatenate([compiled(image)[0] for image in images])
        closeness = 1 - np.abs(found - wanted[: len(found)]).max(axis=1)
        return float(closeness.mean()), [float(value) for value in closeness]

    return nncf.quantize_with_accuracy_control(
        model,
        _dataset(calibration),
        _dataset(few),
        agreement,
        max_drop=0.0,  # so that as many as the recipe says are put back
        subset_size=len(calibration),
        fast_bias_correction=recipe.correction.startswith("fast"),
        ignored_scope=nncf.IgnoredScope(names=_last_layer(model)),
        advanced_quantization_parameters=_advanced(recipe),
        advanced_accuracy_restorer_parameters=AdvancedAccuracyRestorerParameters(
            max_num_iterations=recipe.float_layers, ranking_subset_size=RANKING_IMAGES
        ),
    )


def _watch_reverted() -> list[str]:
    """Return a list that fills with what NNCF puts back in float: it only prints its report."""
    from nncf.quantization.algorithms.accuracy_control.algorithm import (
        QuantizationAccuracyRestorer,
    )

    found: list[str] = []
    tell = QuantizationAccuracyRestorer._print_report

    def keep(report: Any, *rest: Any) -> None:
        found.extend(node.node_name for node in report.reverted_operations)
        tell(report, *rest)

    QuantizationAccuracyRestorer._print_report = staticmethod(keep)
    return found


def _dataset(images: Images) -> Any:
    import nncf

    return nncf.Dataset([image[None] for image in images])


def _scores(model: Any, images: Images) -> NDArray[np.float32]:
    import openvino

    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([compiled(image[None])[0] for image in images])


def _advanced(recipe: Recipe) -> Any:
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

    if recipe.ranges == ENTROPY:
        raise ExportError("NNCF has no entropy calibration", allowed="min-max, percentile")
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
        quantile_outlier_prob=QUANTILE_CUT,
    )
    return RangeEstimatorParameters(min=side, max=side)


def _last_layer(model: Any) -> list[str]:
    """Return the operations from the last dense layer on: what stays in float always."""
    operations = [
        node
        for node in model.get_ordered_ops()
        if node.get_type_name() not in ("Constant", "Result", "Parameter")
    ]
    start = max(i for i, node in enumerate(operations) if node.get_type_name() == DENSE)
    return [node.get_friendly_name() for node in operations[start:]]


def describe(model: Any, labels: list[str], properties: dict[str, str]) -> None:
    """Write the labels where OpenVINO Model API reads them, and our own properties beside.

    Parameters
    ----------
    model : openvino.Model
    labels : list of str
        Model API parts them at spaces: a space in a label becomes an underscore there, as in
        its own exporters.
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
