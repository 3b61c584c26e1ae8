"""Removing from an ONNX graph what does nothing, and looking up its parts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import onnx
from onnx import AttributeProto

_SMALL = 1024
"""Most values of a tensor that may be a shape, whose values shape inference needs."""


def graphs(graph: Any) -> Iterator[Any]:
    """*graph* and every graph within its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from graphs(attribute.g)


def bypass(model: Any) -> None:
    """Remove identities, and casts that change no type, from an `onnx.ModelProto`."""
    graph = model.graph
    types = {value.name: value.type.tensor_type.elem_type for value in inferred_tensors(model)}
    ends = {entry.name for entry in graph.output}
    starts = {entry.name for entry in graph.input}
    for node in list(graph.node):
        if node.op_type not in ("Cast", "Identity") or types.get(node.input[0]) != types.get(
            node.output[0], -1
        ):
            continue
        before, after = node.input[0], node.output[0]
        if after in ends:
            if before in starts | ends or before in {tensor.name for tensor in graph.initializer}:
                continue
            before, after = after, before
        graph.node.remove(node)
        for other in graph.node:
            other.input[:] = [before if name == after else name for name in other.input]
            other.output[:] = [before if name == after else name for name in other.output]


def inferred_tensors(model: Any, *, strict: bool = False) -> list[Any]:
    """
    The names, types and shapes of an `onnx.ModelProto`'s tensors, as far as they can be inferred.

    Inferred from a copy that has only the shapes of the weights, which are most of a model.
    """
    graph = model.graph
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    light.graph.name = graph.name
    light.graph.node.extend(graph.node)
    light.graph.input.extend(graph.input)
    light.graph.output.extend(graph.output)
    for tensor in graph.initializer:
        if math.prod(tensor.dims) <= _SMALL:
            light.graph.initializer.append(tensor)
        else:
            light.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    inferred = onnx.shape_inference.infer_shapes(light, strict_mode=strict).graph
    return [*inferred.value_info, *graph.input, *inferred.output]


def drop_dead(graph: Any) -> None:
    """Keep only what the outputs need."""
    needed = {entry.name for entry in graph.output}
    kept: list[bytes] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node.SerializeToString())
            needed.update(node.input)
            for inner in (a.g for a in node.attribute if a.type == AttributeProto.GRAPH):
                needed.update(name for g in graphs(inner) for n in g.node for name in n.input)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(onnx.NodeProto.FromString(node) for node in reversed(kept))
    # Removed one by one: tensors put back would be in memory twice, as a message frees nothing.
    for number in reversed(range(len(graph.initializer))):
        if graph.initializer[number].name not in needed:
            del graph.initializer[number]


def name_nodes(graph: Any) -> None:
    """Give every node a unique name, by which the quantiser tells them apart."""
    taken: set[str] = set()
    for number, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}#{number}"
        taken.add(node.name)
