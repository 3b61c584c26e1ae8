"""Taking out of an ONNX graph what does nothing, and finding one's way in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
from onnx import AttributeProto, TensorProto


def graphs(graph: Any) -> Iterator[Any]:
    """*graph* and every graph within its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from graphs(attribute.g)


def bypass(model: Any) -> None:
    """Take the casts that change no type, and identities, out of an `onnx.ModelProto`."""
    graph = model.graph
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in tensors_of(onnx.shape_inference.infer_shapes(model).graph)
    }
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


def tensors_of(graph: Any) -> list[Any]:
    """What is known of the tensors of *graph*: their names, types and shapes."""
    return [*graph.value_info, *graph.input, *graph.output]


def drop_dead(graph: Any) -> None:
    """Leave what the output needs, and no more."""
    needed = {entry.name for entry in graph.output}
    kept: list[bytes] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node.SerializeToString())
            needed.update(node.input)
            for inner in (a.g for a in node.attribute if a.type == AttributeProto.GRAPH):
                needed.update(name for g in graphs(inner) for n in g.node for name in n.input)
    tensors = [t.SerializeToString() for t in graph.initializer if t.name in needed]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(onnx.NodeProto.FromString(node) for node in reversed(kept))
    graph.initializer.extend(TensorProto.FromString(tensor) for tensor in tensors)


def name_nodes(graph: Any) -> None:
    """Give every node a name of its own, by which the quantiser tells them apart."""
    taken: set[str] = set()
    for number, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}#{number}"
        taken.add(node.name)
