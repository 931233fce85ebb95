"""Operations of a graph small enough to count by hand."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

from alledge.export.convert.flops import flops


def test_the_operations_of_a_small_graph_are_those_counted_by_hand(tmp_path):
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["wide"], strides=[2, 2]),
        helper.make_node("Conv", ["wide", "each"], ["deep"], group=4),
        helper.make_node("Relu", ["deep"], ["bent"]),
        helper.make_node("Flatten", ["bent"], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense"], ["scores"]),
    ]
    weights = {"kernel": (4, 3, 3, 3), "each": (4, 1, 2, 2), "dense": (16, 2)}
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 7, 7])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2])],
        [
            numpy_helper.from_array(np.zeros(shape, np.float32), name)
            for name, shape in weights.items()
        ],
    )
    path = tmp_path / "small.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    convolution = 2 * (3 * 3 * 3) * (4 * 3 * 3)  # a 3 x 3 x 3 kernel at 4 x 3 x 3 places
    depthwise = 2 * (1 * 2 * 2) * (4 * 2 * 2)
    dense = 2 * 16 * 2
    assert flops(path) == convolution + depthwise + dense == 2136
