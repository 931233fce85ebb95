"""Float TFLite to ONNX in every precision; loads tf2onnx and onnxruntime when called.

From the float TFLite graph, not from Keras: batch normalization is folded there already, and
tf2onnx then needs 5 GB for the largest model where it needed 11.
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
from numpy.typing import NDArray

from ...errors import ExportError
from ...runtime.files import replace_file
from . import json_cache
from .quantization_recipes import ENTROPY, MIN_MAX, PERCENTILE, Recipe
from .serving_graph import INPUT_NAME, OUTPUT_NAME

Images = NDArray[np.uint8]
OPSET = 17
IR_VERSION = 10  # what the oldest runtime of the extra (1.20) reads
PERCENTILE_KEPT = 99.99
RANKING_IMAGES = 8
FLOAT, PREPARED, RANKED = "float.onnx", "prepared.onnx", "ranked-onnx-{}.json"
DENSE = ("MatMul", "Gemm")
LAYERS = frozenset({*DENSE, "Conv", "Add", "Mul", "Concat", "GlobalAveragePool"})
ACTIVATIONS = frozenset({"Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish"})


def make_float(tflite: Path, out: Path) -> None:
    """Write the float32 ONNX graph of a float32 TFLite model.

    Parameters
    ----------
    tflite : Path
        As `alledge.export.convert.tflite.convert` makes it.
    out : Path
    """
    import onnx
    from tf2onnx import optimizer, tfonnx

    graph = tfonnx.process_tf_graph(None, tflite_path=str(tflite), opset=OPSET)
    # tf2onnx.convert would copy the whole graph before every pass, in case one fails: 11 GB
    graph = optimizer.optimize_graph(graph, catch_errors=False)
    proto = graph.make_model("alledge")
    _name_anew(proto)
    proto.ir_version = min(proto.ir_version, IR_VERSION)
    onnx.save(proto, out)


def convert(
    precision: str, recipe: Recipe, calibration: Images | None, sources: Path
) -> tuple[Any, list[str]]:
    """Return a model as an ONNX ``ModelProto``, and the layers left in float beside the last.

    Parameters
    ----------
    precision : str
    recipe : Recipe
        Counts for int8 only.
    calibration : (N, S, S, 3) ndarray of uint8, optional
        Needed for int8.
    sources : Path
        Folder that holds the model's ``float.onnx``; half-way results of the model and its
        calibration images are kept there for the next recipe.

    Returns
    -------
    ModelProto, list of str
        The names are those of the nodes.

    Raises
    ------
    ExportError
        If int8 is asked for without calibration images.
    """
    import onnx

    if precision == "int8" and (calibration is None or not len(calibration)):
        raise ExportError("int8 needs calibration images", fix="--calibration DATA")
    with tempfile.TemporaryDirectory(dir=sources) as folder:
        made = Path(folder) / "made.onnx"
        in_float = _MAKERS[precision](sources, made, recipe, calibration)
        proto = onnx.load(made)
    proto.ir_version = min(proto.ir_version, IR_VERSION)
    onnx.checker.check_model(proto, full_check=True)
    return proto, in_float


def _float32(sources: Path, made: Path, recipe: Recipe, calibration: Images | None) -> list[str]:
    shutil.copyfile(sources / FLOAT, made)
    return []


def _float16(sources: Path, made: Path, recipe: Recipe, calibration: Images | None) -> list[str]:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    proto = convert_float_to_float16(onnx.load(sources / FLOAT), keep_io_types=True)
    onnx.save(proto, made)
    return []


def _dynamic(sources: Path, made: Path, recipe: Recipe, calibration: Images | None) -> list[str]:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source = _prepared(sources)
    last, kinds = _last_layer(source), list(DENSE if recipe.dense_only else (*DENSE, "Conv"))
    nodes = onnx.load(source, load_external_data=False).graph.node
    in_float = [node.name for node in nodes if node.op_type == "Conv" and recipe.dense_only]
    if not any(node.op_type in kinds and node.name not in last for node in nodes):
        raise ExportError("nothing is left to quantize: the last dense layer stays in float")
    # ConvInteger has a kernel for unsigned weights only
    quantize_dynamic(
        source,
        made,
        weight_type=QuantType.QUInt8,
        op_types_to_quantize=kinds,
        nodes_to_exclude=last,
    )
    return in_float


def _int8(sources: Path, made: Path, recipe: Recipe, calibration: Images | None) -> list[str]:
    source = _prepared(sources) if recipe.prepared else sources / FLOAT
    last = _last_layer(source)
    chosen: list[list[str]] = []
    if recipe.float_layers:
        ranked = json_cache.cached_json(
            sources / RANKED.format(recipe.ranges),
            lambda: _costliest(source, made, recipe, calibration, last),
        )
        chosen = ranked[: recipe.float_layers]
    _quantize(source, made, recipe, calibration, [*last, *itertools.chain(*chosen)])
    return [layer for layer, *_ in chosen]


_MAKERS: dict[str, Callable[[Path, Path, Recipe, Images | None], list[str]]] = {
    "float32": _float32,
    "float16": _float16,
    "dynamic": _dynamic,
    "int8": _int8,
}


def _prepared(sources: Path) -> Path:
    """Return the graph with shapes inferred and what can be fused, fused."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    kept = sources / PREPARED
    if not kept.is_file():
        with replace_file(kept) as beside:
            quant_pre_process(str(sources / FLOAT), str(beside), skip_symbolic_shape=True)
    return kept


def _quantize(
    source: Path, made: Path, recipe: Recipe, calibration: Images | None, in_float: list[str]
) -> None:
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    # found once for all recipes of the same ranges, where this ONNX Runtime (1.32) can keep them
    keeping: dict[str, Any] = {}
    if "calibration_cache_path" in inspect.signature(quantize_static).parameters:
        keeping["calibration_cache_path"] = source.with_name(f"{source.stem}.{recipe.ranges}.json")
    methods = {
        MIN_MAX: CalibrationMethod.MinMax,
        PERCENTILE: CalibrationMethod.Percentile,
        ENTROPY: CalibrationMethod.Entropy,
    }
    quantize_static(
        str(source),
        str(made),
        _reader(calibration),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        # unsigned activations, signed weights: on CPUs without VNNI their sums saturate unless
        # the session computes at full precision, which the runtime asks for
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=methods[recipe.ranges],
        nodes_to_exclude=in_float,
        # one image at a time: otherwise every activation of every image is held at once
        extra_options={"CalibPercentile": PERCENTILE_KEPT, "CalibStridedMinMax": 1},
        **keeping,
    )


def _reader(calibration: Images | None) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self, images: Images) -> None:
            self._images, self._left = images, iter(images)

        def __len__(self) -> int:
            return len(self._images)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._left = iter(self._images[start_index:end_index])

        def get_next(self) -> dict[str, Images] | None:
            image = next(self._left, None)
            return None if image is None else {INPUT_NAME: image[None]}

    return Reader(np.zeros((0,), np.uint8) if calibration is None else calibration)


def _last_layer(source: Path) -> list[str]:
    """Return the nodes from the last dense layer on: what stays in float always."""
    import onnx

    nodes = onnx.load(source, load_external_data=False).graph.node
    start = max(index for index, node in enumerate(nodes) if node.op_type in DENSE)
    return [node.name for node in nodes[start:]]


def _costliest(
    source: Path, made: Path, recipe: Recipe, calibration: Images | None, in_float: list[str]
) -> list[list[str]]:
    """Return the layers whose outputs are noisiest, relative to their own signal, as `_layers`."""
    from onnxruntime.quantization import qdq_loss_debug as debug

    few = None if calibration is None else calibration[:RANKING_IMAGES]
    trial, seen = made.with_name("trial.onnx"), []
    _quantize(source, trial, recipe, calibration, in_float)
    for number, model in enumerate((source, trial)):
        wide = made.with_name(f"wide{number}.onnx")
        debug.modify_model_output_intermediate_tensors(str(model), str(wide))
        seen.append(debug.collect_activations(str(wide), _reader(few)))
    errors = debug.compute_activation_error(debug.create_activation_matching(seen[1], seen[0]))
    noise = {name: -float(row["qdq_err"]) for name, row in errors.items()}  # err is a ratio in dB
    return _layers(source, noise, in_float)


def _layers(source: Path, noise: dict[str, float], in_float: list[str]) -> list[list[str]]:
    """Return the layers that make these tensors, the noisiest first, each with its activation.

    A layer is in float only together with what is fused into it: an activation alone would be
    taken out of the layer before it, which would stay quantized.
    """
    import onnx

    nodes = onnx.load(source, load_external_data=False).graph.node
    makers = {output: node for node in nodes for output in node.output}
    users = collections.defaultdict(list)
    for node in nodes:
        for name in node.input:
            users[name].append(node)
    found: dict[str, list[str]] = {}
    for name in sorted(noise, key=lambda name: (-noise[name], name)):
        node = makers.get(name)
        while node is not None and node.op_type in ACTIVATIONS:
            node = makers.get(node.input[0])
        if node is None or node.op_type not in LAYERS or node.name in {*in_float, *found}:
            continue
        found[node.name] = group = [node.name]
        while len(after := users[node.output[0]]) == 1 and after[0].op_type in ACTIVATIONS:
            node = after[0]
            group.append(node.name)
    return list(found.values())


def _name_anew(proto: Any) -> None:
    """Name every tensor and node by its place: tf2onnx counts in an order that differs by run."""
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
        for given in (node.input, node.output):
            given[:] = [names.get(name, name) for name in given]
    kept = [tensor for tensor in graph.initializer if tensor.name in names]
    for tensor in (*kept, *graph.input, *graph.output):
        tensor.name = names[tensor.name]
    kept = sorted(kept, key=lambda tensor: tensor.name)
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(kept)
