"""A model that costs next to nothing, with the contract and tensor sizes of RMBG-1.4."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

SIDE = 1024


def write_trivial_model(path: Path, side: int = SIDE) -> Path:
    """
    Write a graph of one node that hands the red plane on as the estimate.

    Slice is the cheapest node that reads the input and writes an output of the right shape:
    (1, 3, side, side) float32 in, (1, 1, side, side) float32 out.
    """
    graph = helper.make_graph(
        [helper.make_node("Slice", ["input", "from", "to", "axis"], ["output"])],
        "trivial",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, side, side])],
        [
            helper.make_tensor("from", TensorProto.INT64, [1], [0]),
            helper.make_tensor("to", TensorProto.INT64, [1], [1]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path
