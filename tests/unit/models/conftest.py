"""Graphs that look like matting networks and take milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

MakeNetwork = Callable[..., Path]


@pytest.fixture
def make_network(tmp_path: Path) -> MakeNetwork:
    """
    A maker of small networks as exporters write them.

    Two levels down and up again, with the size of each `Resize` baked in, a second output, and with
    `half` half-precision weights between casts.
    """

    def make(
        name: str = "network.onnx",
        *,
        size: int | str = 64,
        width: int | None = None,
        levels: int = 2,
        channels: int = 8,
        opset: int = 17,
        half: bool = False,
        reshape: bool = False,
        seed: int = 0,
    ) -> Path:
        random = np.random.default_rng(seed)
        kind = np.float16 if half else np.float32
        tensors = []
        nodes = []
        if half:
            nodes.append(helper.make_node("Cast", ["input"], ["half"], to=TensorProto.FLOAT16))
        last = "half" if half else "input"

        def value(array: np.ndarray) -> str:
            tensors.append(numpy_helper.from_array(array, f"t{len(tensors)}"))
            return tensors[-1].name

        def convolved(source: str, into: int, outof: int, rectify: bool = True) -> str:
            weights = random.normal(0, (2 / (9 * into)) ** 0.5, (outof, into, 3, 3)).astype(kind)
            name = f"c{len(nodes)}"
            inputs = [source, value(weights), value(np.zeros(outof, kind))]
            nodes.append(helper.make_node("Conv", inputs, [name], pads=[1] * 4))
            if rectify:
                nodes.append(helper.make_node("Relu", [name], [f"{name}r"]))
            return f"{name}r" if rectify else name

        kept = [convolved(last, 3, channels)]
        for _ in range(levels):
            pooled = f"p{len(nodes)}"
            nodes.append(
                helper.make_node(
                    "MaxPool", kept[-1:], [pooled], kernel_shape=[2, 2], strides=[2, 2]
                )
            )
            kept.append(convolved(pooled, channels, channels))
        last = kept.pop()
        side = size if isinstance(size, int) else 64
        wide = width or side
        for level in reversed(range(levels)):
            grown, joined = f"g{len(nodes)}", f"j{len(nodes)}"
            target = np.array([1, channels, side >> level, wide >> level], np.int64)
            none = value(np.zeros(0, np.float32)) if opset < 13 else ""
            nodes.append(
                helper.make_node(
                    "Resize", [last, none, none, value(target)], [grown], mode="linear"
                )
            )
            nodes.append(helper.make_node("Concat", [grown, kept.pop()], [joined], axis=1))
            last = convolved(joined, 2 * channels, channels)
        if reshape:
            shape = value(np.array([1, channels, side, wide], np.int64))
            nodes.append(helper.make_node("Reshape", [last, shape], ["reshaped"]))
            last = "reshaped"
        raw = convolved(last, channels, 1, rectify=False)
        alpha = "halved" if half else "output"
        nodes.append(helper.make_node("Sigmoid", [raw], [alpha]))
        if half:
            nodes.append(helper.make_node("Cast", [alpha], ["output"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("MaxPool", ["input"], ["side"], kernel_shape=[1, 1]))
        graph = helper.make_graph(
            nodes,
            "network",
            [
                helper.make_tensor_value_info(
                    "input", TensorProto.FLOAT, [1, 3, size, width or size]
                )
            ],
            [
                helper.make_tensor_value_info(
                    "output", TensorProto.FLOAT, [1, 1, size, width or size]
                ),
                helper.make_tensor_value_info(
                    "side", TensorProto.FLOAT, [1, 3, size, width or size]
                ),
            ],
            tensors,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
        )
        path = tmp_path / name
        onnx.save(model, str(path))
        return path

    return make
