"""
Preparing a model's file for quantising: one output, float weights, folded, of any size.

Needs the package `onnx` (the extra `optimize`), which running a model does not.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import AttributeProto, TensorProto, numpy_helper

from streamer.errors import ModelCorrupt, ModelError
from streamer.models.optimizing.pruning import (
    bypass,
    drop_dead,
    graphs,
    inferred_tensors,
    name_nodes,
)
from streamer.models.store.registry import Contract

Array = np.ndarray[Any, Any]

SIDES = ("height", "width")
"""Names of the free dimensions."""

_MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_LEAST_PX = 96
"""No network is tried on smaller pictures."""
_OPSET = 13
"""The oldest that has scales for each channel."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A prepared model."""

    model: Any
    """An `onnx.ModelProto` with one input and one output, float32."""
    size: tuple[int, int]
    """(height, width) that the file was made for or prepared at."""
    multiple: int | None
    """Height and width may be any multiple of this; None: they must be `size`."""
    kept: str | None
    """Why the size had to be kept; None if it is free."""


def prepare(path: Path, contract: Contract) -> Graph:
    """
    Fold the model at *path* at the size that it or *contract* names, then free its size.

    Half-precision weights become float: a CPU computes in float anyway, with casts around each
    operator. Only the contract's output is kept, with what it needs.

    Raises:
        ModelCorrupt: not an ONNX model, or one that onnxruntime cannot run.
        ModelError: it does not fit the contract, is quantised already, or cannot be converted.
    """
    model, size = _fixed(path, contract)
    multiple, kept = None, _free(model)
    if kept is None:
        multiple, kept = _multiple(model, size)
        if multiple is None:
            model, _ = _fixed(path, contract)  # undo; a copy would take twice the memory
    return Graph(model, size, multiple, kept)


def _fixed(path: Path, contract: Contract) -> tuple[Any, tuple[int, int]]:
    """The folded model at *path*, an `onnx.ModelProto` of one size, and that size."""
    model = _load(path)
    _select(model.graph, contract, path)
    for graph in graphs(model.graph):
        _widen(graph)
    size = _fix_size(model.graph.input[0], contract, path)
    model = _modern(_folded(model, path), path)
    bypass(model)
    drop_dead(model.graph)
    name_nodes(model.graph)
    return model, size


def cpu_session(model: Any, threads: int, *, measured: bool = False) -> ort.InferenceSession:
    """
    A session on the CPU for an `onnx.ModelProto` or a file.

    Args:
        model: what to run.
        threads: threads within an operator; 0 is one for each core.
        measured: all its tensors are read. Then memory is given back at once, and tensors keep
            their layout: another is faster for convolutions, but each tensor that is read would
            need a copy in its own layout (1024x1024 `isnet`: 2.4 GB with it, 0.9 GB without).
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # errors are raised
    options.enable_mem_pattern = False  # as a run does
    if measured:
        options.enable_cpu_mem_arena = False
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as a run does
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _load(path: Path) -> Any:
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf's and onnx's errors have no common base
        raise ModelCorrupt(
            f"{path}: is not an ONNX model ({_first_line(error)}): is it complete?"
        ) from error
    kinds = {node.op_type for graph in graphs(model.graph) for node in graph.node}
    if kinds & {"DequantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger"}:
        raise ModelError(f"{path}: is quantised already: optimise the float model it came from")
    return model


def _select(graph: Any, contract: Contract, path: Path) -> None:
    """Keep only the contract's input and output; inputs that have a value do not count."""
    values = {tensor.name for tensor in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in values]
    for entries, name, what in (
        (inputs, contract.input, "input"),
        (list(graph.output), contract.output, "output"),
    ):
        chosen = [entry for entry in entries if name in (None, entry.name)][:1]
        if not chosen:
            have = ", ".join(entry.name for entry in entries)
            raise ModelError(f"{path}: no {what} called {name!r}; it has: {have}")
        if what == "input" and len(entries) > 1:
            raise ModelError(f"{path}: has {len(entries)} inputs: only one can be optimised")
        field = getattr(graph, what)
        kept = type(chosen[0]).FromString(chosen[0].SerializeToString())
        del field[:]
        field.append(kept)


def _widen(graph: Any) -> None:
    """Make every half-precision tensor of *graph* float."""
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                _widen_tensor(attribute.t)
            elif node.op_type == "Cast" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    del graph.value_info[:]


def _widen_tensor(tensor: Any) -> None:
    if tensor.data_type == TensorProto.FLOAT16:
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _fix_size(source: Any, contract: Contract, path: Path) -> tuple[int, int]:
    """Give every dimension of the input a number, and return its height and width."""
    dimensions = source.type.tensor_type.shape.dim
    if len(dimensions) != 4 or dimensions[1].dim_value not in (0, 3):
        raise ModelError(f"{path}: its input is not [1, 3, height, width]")
    dimensions[0].dim_value, dimensions[1].dim_value = 1, 3
    for dimension in dimensions[2:]:
        side = dimension.dim_value or contract.input_size
        if not side:
            raise ModelError(f"{path}: takes any size: say which with --size, such as 1024")
        dimension.dim_value = side
    return dimensions[2].dim_value, dimensions[3].dim_value


def _folded(model: Any, path: Path) -> Any:
    """*model* after onnxruntime's basic optimisations, which stay within the ONNX standard."""
    with tempfile.TemporaryDirectory(prefix="streamer-") as folder:
        target = Path(folder) / "folded.onnx"
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(target)
        options.log_severity_level = 4
        try:
            ort.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            folded = onnx.load(str(target))
        except Exception as error:  # onnxruntime's errors have no common base
            raise ModelCorrupt(
                f"{path}: onnxruntime cannot load this model: {_first_line(error)}"
            ) from error
    used = {node.domain for node in folded.graph.node} | {""}
    kept = [entry for entry in folded.opset_import if entry.domain in used]
    versions = {entry.domain: entry.version for entry in kept}
    del folded.opset_import[:]
    folded.opset_import.extend(
        onnx.helper.make_opsetid(domain, version) for domain, version in versions.items()
    )
    return folded


def _modern(model: Any, path: Path) -> Any:
    """*model* in an opset that the quantiser can use."""
    version = next(entry.version for entry in model.opset_import if not entry.domain)
    if version >= _OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, _OPSET)
    except Exception as error:  # the converter's errors have no common base
        raise ModelError(
            f"{path}: cannot be converted from opset {version} to {_OPSET}: "
            f"{_first_line(error)}: export it with opset {_OPSET} or newer"
        ) from error


def _free(model: Any) -> str | None:
    """
    Free height and width of *model*; or return why that cannot be, and leave it unchanged.

    A `Resize` to a constant size becomes one by the ratio of that size to its input's. The ratio
    must give exactly the same size, as it does for powers of two.
    """
    shapes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in inferred_tensors(model, strict=True)
    }
    resized: list[tuple[Any, Array]] = []
    for node in model.graph.node:
        if node.op_type != "Resize" or len(node.input) < 4 or not node.input[3]:
            continue
        before, after = shapes.get(node.input[0], []), shapes.get(node.output[0], [])
        if len(before) != len(after) or not all(before) or not all(after):
            return f"{node.name} resizes to a size that is not known"
        scales = np.array([b / a for a, b in zip(before, after, strict=True)], np.float32)
        if any(int(a * s) != b for a, s, b in zip(before, scales, after, strict=True)):
            return f"{node.name} resizes by no simple ratio"
        resized.append((node, scales))
    for node, scales in resized:
        name = f"{node.output[0]}_scales"
        model.graph.initializer.append(numpy_helper.from_array(scales, name))
        node.input[2] = name
        del node.input[3:]
    for value in (model.graph.input[0], model.graph.output[0]):
        dimensions = value.type.tensor_type.shape.dim
        for dimension, side in zip(dimensions[-2:], SIDES, strict=True):
            dimension.dim_param = side
    drop_dead(model.graph)
    return None


def _multiple(model: Any, size: tuple[int, int]) -> tuple[int, None] | tuple[None, str]:
    """
    The number that sides must be multiples of, or why no other sizes are possible.

    It is the least for which the model gives whole pictures, found by trying.
    """
    session = cpu_session(model, 0)
    name = session.get_inputs()[0].name
    problem: str | None = None
    for multiple in _MULTIPLES:
        if any(side % multiple for side in size):
            break
        least = -(-_LEAST_PX // multiple) | 1  # odd, or the sides would be multiples of more
        for sides in ((least, least), (least, least + 2), (least + 2, least)):
            problem = _misfit(session, name, (sides[0] * multiple, sides[1] * multiple))
            if problem is not None:
                break
        else:
            return multiple, None
    return None, problem or "its sides are odd"


def _misfit(session: ort.InferenceSession, name: str, size: tuple[int, int]) -> str | None:
    """Why a picture of *size* does not give an estimate of that size; None if it does."""
    tensor: Array = np.zeros((1, 3, *size), np.float32)
    try:
        estimate = session.run(None, {name: tensor})[0]
    except Exception as error:  # onnxruntime's errors have no common base; any means a misfit
        where = re.search(r"running (\w+) node\. Name:'([^']*)'", str(error))
        return f"{where[1]} {where[2]} fails at others" if where else "it fails at others"
    if estimate.shape[-2:] != size:
        return "at others the estimate is not as large as its input"
    return None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
