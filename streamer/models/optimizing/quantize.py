"""
Static int8: measuring the ranges of a network's tensors on pictures, and quantising the graph.

The format is QDQ, with signed weights per output channel and unsigned activations, which the VNNI
kernels of onnxruntime and OpenVINO take. Needs the extra `optimize`.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper
from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType
from onnxruntime.quantization.calibrate import TensorsData

from streamer.models.optimizing.graph import Graph, cpu_session
from streamer.models.optimizing.pruning import inferred_tensors

Array = np.ndarray[Any, Any]

_OPERATORS = [
    "Add",
    "AveragePool",
    "Clip",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Gemm",
    "GlobalAveragePool",
    "LeakyRelu",
    "MatMul",
    "MaxPool",
    "Relu",
    "Resize",
]
"""Operators worth quantising, which lose little by it; all others stay float."""

_WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


class Ranges:
    """
    The range of each tensor of a graph, over the pictures that it is shown.

    It is the median over the pictures of the least and of the greatest value: some pictures drive
    single values ten times as far as all others, and steps that wide would ruin the rest.
    """

    def __init__(self, graph: Graph, threads: int) -> None:
        model = onnx.ModelProto.FromString(graph.model.SerializeToString())
        self._tensors, self._rectified = _measurable(model)
        _measure(model.graph, self._tensors)
        self._session = cpu_session(model, threads, measured=True)
        self._input = model.graph.input[0].name
        self._seen: list[Array] = []

    def see(self, tensor: Array) -> Array:
        """
        Run on one picture and record its ranges.

        Args:
            tensor: (1, 3, height, width) float32, as the network wants it.

        Returns:
            The network's output, float32.
        """
        estimate, *extremes = self._session.run(None, {self._input: tensor})
        self._seen.append(np.array(extremes, np.float32).reshape(-1, 2))
        return np.asarray(estimate)

    def settled(self) -> dict[str, tuple[np.float32, np.float32]]:
        """The (least, greatest) value of each tensor, by its name."""
        middle = np.median(np.stack(self._seen), axis=0)
        ranges = {
            name: (np.float32(least), np.float32(greatest))
            for name, (least, greatest) in zip(self._tensors, middle, strict=True)
        }
        return ranges | {name: ranges[after] for name, after in self._rectified.items()}


def quantize(
    graph: Graph, ranges: dict[str, tuple[np.float32, np.float32]], *, reduce_range: bool
) -> Any:
    """
    The int8 model of *graph*, an `onnx.ModelProto`.

    Args:
        graph: stays as it is.
        ranges: of its tensors.
        reduce_range: limit weights to 7 bits; see `artefacts.saturates`.
    """
    model = onnx.shape_inference.infer_shapes(graph.model)
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # the quantiser logs advice on the root logger
    try:
        quantizer = QDQQuantizer(
            model,
            True,  # per channel
            reduce_range,
            QuantType.QInt8,
            QuantType.QUInt8,
            TensorsData(CalibrationMethod.MinMax, ranges),
            [],
            _head(model.graph),
            _OPERATORS,
            {},
        )
        quantizer.quantize_model()
    finally:
        logger.setLevel(level)
    return quantizer.model.model


def _measurable(model: Any) -> tuple[list[str], dict[str, str]]:
    """
    The float tensors to measure, and those that only a Relu reads, each with the Relu's output.

    The latter are not measured: the quantiser has no use for their negative part, and reading them
    would keep onnxruntime from fusing the two operators.
    """
    graph = model.graph
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    rectified = {
        name: nodes[0].output[0]
        for name, nodes in readers.items()
        if len(nodes) == 1 and nodes[0].op_type == "Relu" and name != graph.input[0].name
    }
    floats = [
        value.name
        for value in inferred_tensors(model)
        if value.type.tensor_type.elem_type == TensorProto.FLOAT and value.name not in rectified
    ]
    return list(dict.fromkeys(floats)), rectified


def _measure(graph: Any, tensors: list[str]) -> None:
    """Add the least and the greatest value of each of *tensors* to the outputs of *graph*."""
    known = set(tensors)
    nodes: list[bytes] = []

    def watch(name: str) -> None:
        for kind in ("ReduceMin", "ReduceMax"):
            node = helper.make_node(kind, [name], [f"{name}/{kind}"], keepdims=0)
            nodes.append(node.SerializeToString())

    for entry in graph.input:
        watch(entry.name)
    for node in graph.node:
        nodes.append(node.SerializeToString())
        for name in node.output:
            if name in known:
                watch(name)
    del graph.node[:]
    graph.node.extend(NodeProto.FromString(node) for node in nodes)
    graph.output.extend(
        helper.make_tensor_value_info(f"{name}/{kind}", TensorProto.FLOAT, [])
        for name in tensors
        for kind in ("ReduceMin", "ReduceMax")
    )


def _head(graph: Any) -> list[str]:
    """
    The names of the operators from the last one that has weights to the output.

    They stay float: they are few and cheap, and nothing after them could make up for their loss.
    """
    makers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name for tensor in graph.initializer}
    head: list[str] = []
    name = graph.output[0].name
    while name in makers:
        node = makers[name]
        head.append(node.name)
        sources = [source for source in node.input if source and source not in constants]
        if node.op_type in _WEIGHTED or len(sources) != 1:
            break
        name = sources[0]
    return head
