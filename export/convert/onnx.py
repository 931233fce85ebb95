"""Converts float TFLite to ONNX in every precision; loads tf2onnx and onnxruntime when called.

The source is the float TFLite graph, not Keras: batch normalization is folded in it, and tf2onnx
needs 5 GB instead of 11 for the largest model.
"""

from __future__ import annotations

import collections
import inspect
import itertools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ExportError
from ...runtime.files import replace_file
from ...runtime.machine import has_vnni
from ..types import Images, Scores
from . import json_cache
from .bias_correction import DENSE, Biases, correct_onnx
from .last_layer import LastLayer, refit
from .quantization_recipes import MIN_MAX, PERCENTILE, Recipe
from .serving_graph import INPUT_NAME, OUTPUT_NAME

OPSET = 17
IR_VERSION = 10  # the newest that the oldest supported ONNX Runtime (1.20) reads
PERCENTILE_INSIDE = 99.99
RANKING_IMAGES = 8
FLOAT, PREPARED, CORRECTED = "float.onnx", "prepared.onnx", "corrected.onnx"
RANKED = "ranked-onnx-{}.json"
LAYERS = frozenset({*DENSE, "Conv", "Add", "Mul", "Concat", "GlobalAveragePool"})
ACTIVATIONS = frozenset({"Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish"})


def make_float(tflite: Path, out: Path) -> None:
    """Write the float32 ONNX graph of a float32 TFLite model.

    Parameters
    ----------
    tflite : Path
        From `alledge.export.convert.tflite.convert`.
    out : Path
    """
    import onnx
    from tf2onnx import optimizer, tfonnx

    graph = tfonnx.process_tf_graph(None, tflite_path=str(tflite), opset=OPSET)
    # tf2onnx.convert copies the whole graph before every pass, which needs 11 GB.
    graph = optimizer.optimize_graph(graph, catch_errors=False)
    proto = graph.make_model("alledge")
    _rename_by_position(proto)
    proto.ir_version = min(proto.ir_version, IR_VERSION)
    onnx.save(proto, out)


def convert(
    precision: str,
    recipe: Recipe,
    calibration: Images | None,
    sources: Path,
    biases: Biases | None = None,
) -> tuple[Any, list[str]]:
    """Return a model as an ONNX ``ModelProto``, and the layers left in float beside the last.

    Parameters
    ----------
    precision : str
    recipe : Recipe
        Used for int8 and dynamic.
    calibration : (N, S, S, 3) ndarray of uint8, optional
        Needed for int8.
    sources : Path
        Folder that holds the model's ``float.onnx``. It also keeps intermediate results of the
        model and its calibration images for the next recipe.
    biases : dict, optional
        The corrected biases of the model, for recipes with a correction.

    Returns
    -------
    ModelProto, list of str
        A layer has the name of its node.

    Raises
    ------
    ExportError
        If int8 has no calibration images.
    """
    import onnx

    if precision == "int8" and (calibration is None or not len(calibration)):
        raise ExportError("int8 needs calibration images", fix="--calibration DATA")
    with tempfile.TemporaryDirectory(dir=sources) as folder:
        out = Path(folder) / "converted.onnx"
        if precision == "int8":
            left_in_float = _int8(sources, out, recipe, calibration, biases or {})
        else:
            left_in_float = _CONVERTERS[precision](sources, out, recipe)
        proto = onnx.load(out)
    proto.ir_version = min(proto.ir_version, IR_VERSION)
    onnx.checker.check_model(proto, full_check=True)
    return proto, left_in_float


def _float32(sources: Path, out: Path, recipe: Recipe) -> list[str]:
    shutil.copyfile(sources / FLOAT, out)
    return []


def _float16(sources: Path, out: Path, recipe: Recipe) -> list[str]:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    proto = convert_float_to_float16(onnx.load(sources / FLOAT), keep_io_types=True)
    onnx.save(proto, out)
    return []


def _dynamic(sources: Path, out: Path, recipe: Recipe) -> list[str]:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source = _prepared(sources)
    last, kinds = _last_layer(source), list(DENSE if recipe.dense_only else (*DENSE, "Conv"))
    nodes = onnx.load(source, load_external_data=False).graph.node
    convolutions = [node.name for node in nodes if node.op_type == "Conv"]
    if not any(node.op_type in kinds and node.name not in last for node in nodes):
        raise ExportError("nothing is left to quantize: the last dense layer stays in float")
    # ONNX Runtime has a ConvInteger kernel for unsigned weights only. It replaces a Gemm by a
    # MatMul of this name before it looks which nodes are excluded.
    excluded = [*last, *(f"{name}_MatMul" for name in last)]
    quantize_dynamic(
        source,
        out,
        weight_type=QuantType.QUInt8,
        op_types_to_quantize=kinds,
        nodes_to_exclude=excluded,
    )
    return convolutions if recipe.dense_only else []


def _int8(
    sources: Path, out: Path, recipe: Recipe, calibration: Images | None, biases: Biases
) -> list[str]:
    source = _prepared(sources, biases) if recipe.prepared else sources / FLOAT
    last = _in_float(source)
    chosen: list[list[str]] = []
    if recipe.float_layers:
        ranked = json_cache.cached_json(
            sources / RANKED.format(recipe.ranges),
            lambda: _costliest(source, out, recipe, calibration, last),
        )
        chosen = ranked[: recipe.float_layers]
    _quantize(source, out, recipe, calibration, [*last, *itertools.chain(*chosen)])
    if calibration is not None:
        _refit(out, sources / FLOAT, calibration)
    return [layer for layer, *_ in chosen]


def _refit(artifact: Path, float_graph: Path, calibration: Images) -> None:
    """Refit the last dense layer of an artifact to the logits of the float graph."""
    import onnx

    proto = onnx.load(artifact)
    layer, original = _dense_layer(proto), _dense_layer(onnx.load(float_graph))
    if layer is None or original is None:
        return
    names, values = stored_layer(proto), refit(layer, original, calibration)
    for tensor in proto.graph.initializer:
        for name, value in zip(names, values, strict=True):
            if tensor.name == name:
                stored = onnx.numpy_helper.to_array(tensor)
                value = value.T if stored.shape != value.shape else value
                fitted = onnx.numpy_helper.from_array(value.astype(stored.dtype), name)
                tensor.CopyFrom(fitted)
    onnx.save(proto, artifact)


def _dense_layer(proto: Any) -> LastLayer | None:
    """Return the last dense layer of a graph; None if its weights are not constants in float."""
    import onnx

    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    weights_name, bias_name = stored_layer(proto)
    if weights_name not in constants or bias_name not in constants:
        return None
    weights = onnx.numpy_helper.to_array(constants[weights_name])
    bias = onnx.numpy_helper.to_array(constants[bias_name])
    if weights.dtype != np.float32 or bias.ndim != 1:
        return None
    if weights.shape[1] != len(bias):
        weights = weights.T  # Gemm with transB
    return LastLayer(weights, bias, lambda images: _features(proto, images))


def stored_layer(proto: Any) -> tuple[str, str]:
    """Return the names of the weights and of the bias of the last dense layer."""
    nodes, dense = proto.graph.node, last_dense(proto)
    if dense.op_type == "Gemm":
        return dense.input[1], dense.input[2] if len(dense.input) > 2 else ""
    bias = next(
        (node for node in nodes if node.op_type == "Add" and dense.output[0] in node.input), None
    )
    others = [name for name in bias.input if name != dense.output[0]] if bias is not None else [""]
    return dense.input[1], others[0]


def last_dense(proto: Any) -> Any:
    """Return the node of the last dense layer of a graph."""
    return [node for node in proto.graph.node if node.op_type in DENSE][-1]


def _features(proto: Any, images: Images) -> Scores:
    """Return the input of the last dense layer for each image, (N, D)."""
    import onnx
    import onnxruntime

    observed = onnx.ModelProto()
    observed.CopyFrom(proto)
    name = last_dense(observed).input[0]
    observed.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not has_vnni():  # as the runtime does
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(
        observed.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.stack([session.run([name], {INPUT_NAME: image[None]})[0].ravel() for image in images])


_CONVERTERS: dict[str, Callable[[Path, Path, Recipe], list[str]]] = {
    "float32": _float32,
    "float16": _float16,
    "dynamic": _dynamic,
}


def _prepared(sources: Path, biases: Biases | None = None) -> Path:
    """Return the graph with shapes inferred, operations fused and corrected biases."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    file = sources / (CORRECTED if biases else PREPARED)
    if not file.is_file():
        with replace_file(file) as partial:
            quant_pre_process(str(sources / FLOAT), str(partial), skip_symbolic_shape=True)
            if biases:
                proto = onnx.load(partial)
                correct_onnx(proto, biases)
                onnx.save(proto, partial)
    return file


def _quantize(
    source: Path, out: Path, recipe: Recipe, calibration: Images | None, in_float: list[str]
) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    # ONNX Runtime 1.32 can keep the ranges in a file, for all recipes with the same method.
    cache: dict[str, Any] = {}
    if "calibration_cache_path" in inspect.signature(quantize_static).parameters:
        cache["calibration_cache_path"] = source.with_name(f"{source.stem}.{recipe.ranges}.json")
    methods = {
        MIN_MAX: CalibrationMethod.MinMax,
        PERCENTILE: CalibrationMethod.Percentile,
    }
    quantize_static(
        str(source),
        str(out),
        _reader(calibration),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        # The sums of unsigned activations and signed weights saturate on CPUs without VNNI, unless
        # the session computes at full precision; the runtime asks for that.
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=methods[recipe.ranges],
        nodes_to_exclude=in_float,
        # One image at a time: otherwise every activation of every image is in memory at once.
        extra_options={"CalibPercentile": PERCENTILE_INSIDE, "CalibStridedMinMax": 1},
        **cache,
    )


def _reader(calibration: Images | None) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self, images: Images) -> None:
            self._images, self._remaining = images, iter(images)

        def __len__(self) -> int:
            return len(self._images)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._remaining = iter(self._images[start_index:end_index])

        def get_next(self) -> dict[str, Images] | None:
            image = next(self._remaining, None)
            return None if image is None else {INPUT_NAME: image[None]}

    return Reader(np.zeros((0,), np.uint8) if calibration is None else calibration)


def _last_layer(source: Path) -> list[str]:
    """Return the nodes from the last dense layer on, which always stay in float."""
    import onnx

    nodes = onnx.load(source, load_external_data=False).graph.node
    start = max(index for index, node in enumerate(nodes) if node.op_type in DENSE)
    return [node.name for node in nodes[start:]]


def _in_float(source: Path) -> list[str]:
    """Return the nodes that always stay in float in int8: both ends of the graph.

    Those before the first layer with weights scale the pixels, those after the last convolution
    average its output. They cost little in float and much in int8.
    """
    import onnx

    nodes = onnx.load(source, load_external_data=False).graph.node
    weighted = [index for index, node in enumerate(nodes) if node.op_type in ("Conv", *DENSE)]
    pooled = [node.name for node in nodes if node.op_type == "GlobalAveragePool"]
    scaling = [node.name for node in nodes[: weighted[0]]]
    return [*scaling, *pooled, *_last_layer(source)]


def _costliest(
    source: Path, out: Path, recipe: Recipe, calibration: Images | None, in_float: list[str]
) -> list[list[str]]:
    """Return the layers by the noise of quantization, as `_layers` does."""
    from onnxruntime.quantization import qdq_loss_debug as debug

    few = None if calibration is None else calibration[:RANKING_IMAGES]
    trial, activations = out.with_name("trial.onnx"), []
    _quantize(source, trial, recipe, calibration, in_float)
    for number, model in enumerate((source, trial)):
        observed = out.with_name(f"observed{number}.onnx")
        debug.modify_model_output_intermediate_tensors(str(model), str(observed))
        activations.append(debug.collect_activations(str(observed), _reader(few)))
    matching = debug.create_activation_matching(activations[1], activations[0])
    errors = debug.compute_activation_error(matching)
    # The error is the ratio of signal to noise in dB.
    noise = {name: -float(row["qdq_err"]) for name, row in errors.items()}
    return _layers(source, noise, in_float)


def _layers(source: Path, noise: dict[str, float], in_float: list[str]) -> list[list[str]]:
    """Return the layers that give these tensors, the noisiest first, each with its activation.

    A layer stays in float only together with the activation that is fused into it. An activation
    alone would be separated from its layer, and the layer would stay quantized.
    """
    import onnx

    nodes = onnx.load(source, load_external_data=False).graph.node
    producers = {output: node for node in nodes for output in node.output}
    consumers = collections.defaultdict(list)
    for node in nodes:
        for name in node.input:
            consumers[name].append(node)
    groups: dict[str, list[str]] = {}
    for name in sorted(noise, key=lambda name: (-noise[name], name)):
        node = producers.get(name)
        while node is not None and node.op_type in ACTIVATIONS:
            node = producers.get(node.input[0])
        if node is None or node.op_type not in LAYERS or node.name in {*in_float, *groups}:
            continue
        groups[node.name] = group = [node.name]
        while len(after := consumers[node.output[0]]) == 1 and after[0].op_type in ACTIVATIONS:
            node = after[0]
            group.append(node.name)
    return list(groups.values())


def _rename_by_position(proto: Any) -> None:
    """Rename every tensor and node by its position; the names of tf2onnx differ from run to run."""
    graph = proto.graph
    names = {graph.input[0].name: INPUT_NAME, graph.output[0].name: OUTPUT_NAME}
    weights = {tensor.name for tensor in graph.initializer}
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        for place, name in enumerate(node.input):
            if name in weights and name not in names:
                names[name] = f"{node.name}_weight{place}"
        for place, name in enumerate(node.output):
            names.setdefault(name, f"{node.name}_out{place}")
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(name, name) for name in values]
    used = [tensor for tensor in graph.initializer if tensor.name in names]
    for tensor in (*used, *graph.input, *graph.output):
        tensor.name = names[tensor.name]
    used = sorted(used, key=lambda tensor: tensor.name)
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(used)
