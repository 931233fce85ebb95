"""Quantizes the float ONNX graph to static int8; loads onnx and onnxruntime when called.

The graph holds QuantizeLinear and DequantizeLinear operations. It is the ONNX artifact, and with
weights in half their range the source of the OpenVINO artifact.
"""

from __future__ import annotations

import collections
import inspect
import itertools
import tempfile
from pathlib import Path
from typing import Any

from ...runtime.files import replace_file
from ..types import Images
from . import json_cache
from .bias_correction import correct_quantized
from .float_statistics import DENSE, Floats32, float_statistics
from .quantization_recipes import MIN_MAX, PERCENTILE, Recipe
from .serving_graph import INPUT_NAME

FLOAT, PREPARED, RANKED = "float.onnx", "prepared.onnx", "ranked-onnx-{}.json"
PERCENTILE_INSIDE = 99.99
RANKING_IMAGES = 8
LAYERS = frozenset({*DENSE, "Conv", "Add", "Mul", "Concat", "GlobalAveragePool"})
ACTIVATIONS = frozenset({"Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish"})


def quantize(
    sources: Path, recipe: Recipe, calibration: Images, *, half_range: bool = False
) -> tuple[Path, list[str]]:
    """Return the quantized graph of a recipe, and the layers left in float beside the last.

    Parameters
    ----------
    sources : Path
        Folder that holds the model's ``float.onnx``. It also keeps the quantized graph, and
        intermediate results for the next recipe.
    recipe : Recipe
    calibration : (N, S, S, 3) ndarray of uint8
    half_range : bool
        Whether weights keep to half the range of int8. Those of depthwise convolutions do not:
        too few products are summed to saturate 16 bits.

    Returns
    -------
    Path, list of str
        A layer has the name of its node.
    """
    import onnx

    source = prepared(sources) if recipe.prepared else sources / FLOAT
    in_float, chosen = _in_float(source), list[list[str]]()
    if recipe.float_layers:
        ranked = json_cache.cached_json(
            sources / RANKED.format(recipe.ranges),
            lambda: _costliest(source, sources, recipe, calibration, in_float),
        )
        chosen = ranked[: recipe.float_layers]
    left_in_float = [layer for layer, *_ in chosen]
    weights = "half" if half_range else "full"
    parts = (recipe.ranges, recipe.correction, str(recipe.float_layers), weights)
    file = sources / f"{source.stem}-{'-'.join(parts)}.int8.onnx"
    if not file.is_file():
        with replace_file(file) as partial:
            float_nodes = [*in_float, *itertools.chain(*chosen)]
            _quantize(source, partial, recipe, calibration, float_nodes, half_range=half_range)
            if recipe.correction:
                quantized = onnx.load(partial)
                means = float_statistics(source, calibration).means
                correct_quantized(quantized, means, calibration)
                onnx.save(quantized, partial)
    return file, left_in_float


def prepared(sources: Path) -> Path:
    """Return the float graph with shapes inferred and operations fused."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    file = sources / PREPARED
    if not file.is_file():
        with replace_file(file) as partial:
            quant_pre_process(str(sources / FLOAT), str(partial), skip_symbolic_shape=True)
    return file


def last_layer(source: Path) -> list[str]:
    """Return the nodes from the last dense layer on, which always stay in float."""
    import onnx

    nodes = onnx.load(source, load_external_data=False).graph.node
    start = max(index for index, node in enumerate(nodes) if node.op_type in DENSE)
    return [node.name for node in nodes[start:]]


def _quantize(
    source: Path,
    out: Path,
    recipe: Recipe,
    calibration: Images,
    in_float: list[str],
    *,
    half_range: bool = False,
) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    # ONNX Runtime 1.32 can read the ranges from a file. An older one measures them again.
    cache: dict[str, Any] = {}
    if "calibration_cache_path" in inspect.signature(quantize_static).parameters:
        file = source.with_name(f"{source.stem}.{recipe.ranges}.json")
        if recipe.ranges == MIN_MAX and not file.is_file():
            _write_ranges(float_statistics(source, calibration).ranges, file)
        cache["calibration_cache_path"] = file
    methods = {
        MIN_MAX: CalibrationMethod.MinMax,
        PERCENTILE: CalibrationMethod.Percentile,
    }
    # One image at a time: otherwise every activation of every image is in memory at once.
    options: dict[str, Any] = {"CalibPercentile": PERCENTILE_INSIDE, "CalibStridedMinMax": 1}
    if half_range:
        options["TensorQuantOverrides"] = _half_ranges(source, in_float)
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
        extra_options=options,
        **cache,
    )


def _write_ranges(ranges: dict[str, Floats32], file: Path) -> None:
    """Write ranges as ONNX Runtime writes those that it measures."""
    from onnxruntime.quantization.calibrate import (
        CalibrationMethod,
        TensorsData,
        save_tensors_data,
    )

    rows = {name: (value[:1], value[1:]) for name, value in ranges.items()}
    save_tensors_data(TensorsData(CalibrationMethod.MinMax, rows), file)


def _half_ranges(source: Path, in_float: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return ONNX Runtime's options for weights that keep to half the range of int8."""
    import onnx
    from onnxruntime.quantization import QuantType

    options = {}
    for node in onnx.load(source).graph.node:
        attributes = {row.name: row.i for row in node.attribute}
        if node.name in in_float:
            continue
        if node.op_type == "Conv" and attributes.get("group", 1) == 1:
            channel_axis = 0
        elif node.op_type in DENSE:
            channel_axis = 0 if attributes.get("transB") else 1
        else:
            continue
        options[node.input[1]] = [
            {
                "quant_type": QuantType.QInt8,
                "axis": channel_axis,
                "symmetric": True,
                "reduce_range": True,
            }
        ]
    return options


def _reader(calibration: Images) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._remaining = iter(calibration)

        def __len__(self) -> int:
            return len(calibration)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._remaining = iter(calibration[start_index:end_index])

        def get_next(self) -> dict[str, Images] | None:
            image = next(self._remaining, None)
            return None if image is None else {INPUT_NAME: image[None]}

    return Reader()


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
    return [*scaling, *pooled, *last_layer(source)]


def _costliest(
    source: Path, sources: Path, recipe: Recipe, calibration: Images, in_float: list[str]
) -> list[list[str]]:
    """Return the layers by the noise of quantization, as `_layers` does."""
    from onnxruntime.quantization import qdq_loss_debug as debug

    activations = []
    with tempfile.TemporaryDirectory(dir=sources) as folder:
        trial = Path(folder) / "trial.onnx"
        _quantize(source, trial, recipe, calibration, in_float)
        for number, model in enumerate((source, trial)):
            observed = trial.with_name(f"observed{number}.onnx")
            debug.modify_model_output_intermediate_tensors(str(model), str(observed))
            reader = _reader(calibration[:RANKING_IMAGES])
            activations.append(debug.collect_activations(str(observed), reader))
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
