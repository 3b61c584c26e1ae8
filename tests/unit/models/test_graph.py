"""Folding: the same estimates from one output, float weights, and any size."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest

from streamer.errors import ModelCorrupt, ModelError
from streamer.models.optimizing.graph import Graph, cpu_session, prepare
from streamer.models.store.registry import Contract

CONTRACT = Contract(None, None, None, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), logits=False)


def run(model: object, size: tuple[int, int], output: str | None = None) -> np.ndarray:
    picture = np.random.default_rng(3).random((1, 3, *size), dtype=np.float32) - 0.5
    names = None if output is None else [output]
    return cpu_session(model, 1).run(names, {"input": picture})[0]


def kinds(graph: Graph) -> set[str]:
    return {node.op_type for node in graph.model.graph.node}


def test_the_folded_graph_estimates_the_very_same(make_network) -> None:
    path = make_network()
    graph = prepare(path, CONTRACT)
    np.testing.assert_array_equal(run(graph.model, (64, 64)), run(path, (64, 64), "output"))
    onnx.checker.check_model(graph.model, full_check=True)


@pytest.mark.parametrize(("levels", "multiple"), [(1, 2), (2, 4), (3, 8)])
def test_the_multiple_that_the_sides_need_is_found(make_network, levels, multiple) -> None:
    graph = prepare(make_network(levels=levels), CONTRACT)
    assert graph.multiple == multiple
    assert run(graph.model, (multiple * 9, multiple * 12)).shape[2:] == (
        multiple * 9,
        multiple * 12,
    )
    dimensions = graph.model.graph.input[0].type.tensor_type.shape.dim
    assert [dimension.dim_param for dimension in dimensions[2:]] == ["height", "width"]


def test_half_precision_becomes_float_without_casts(make_network) -> None:
    path = make_network(half=True)
    graph = prepare(path, CONTRACT)
    assert "Cast" not in kinds(graph)
    assert {tensor.data_type for tensor in graph.model.graph.initializer} == {
        onnx.TensorProto.FLOAT
    }
    difference = np.abs(run(graph.model, (64, 64)) - run(path, (64, 64), "output"))
    assert difference.max() < 1e-3  # a half in 0.5..1 is exact to 2**-11


def test_outputs_that_nobody_reads_are_gone(make_network) -> None:
    graph = prepare(make_network(), CONTRACT)
    assert [entry.name for entry in graph.model.graph.output] == ["output"]
    assert "side" not in {name for node in graph.model.graph.node for name in node.output}


def test_the_contract_says_which_output_counts(make_network) -> None:
    graph = prepare(make_network(), dataclasses.replace(CONTRACT, output="side"))
    assert kinds(graph) == {"MaxPool"}


def test_an_old_opset_is_converted(make_network) -> None:
    path = make_network(opset=11)
    graph = prepare(path, CONTRACT)
    assert graph.model.opset_import[0].version >= 13
    np.testing.assert_array_equal(run(graph.model, (64, 64)), run(path, (64, 64), "output"))


def test_a_graph_that_cannot_be_freed_keeps_its_size_and_says_why(make_network) -> None:
    graph = prepare(make_network(reshape=True), CONTRACT)
    assert (graph.multiple, graph.size) == (None, (64, 64))
    assert graph.kept is not None
    assert graph.kept.startswith("Reshape ")
    assert run(graph.model, (64, 64)).shape == (1, 1, 64, 64)


def test_a_graph_of_any_size_needs_one_to_be_prepared_at(make_model) -> None:
    path = make_model(size="side")
    with pytest.raises(ModelError, match="takes any size: say which with --size"):
        prepare(path, CONTRACT)
    assert prepare(path, dataclasses.replace(CONTRACT, input_size=32)).multiple == 1


def test_a_quantised_graph_is_refused(make_network, tmp_path: Path) -> None:
    path = make_network()
    model = onnx.load(str(path))
    model.graph.node[0].op_type = "ConvInteger"
    onnx.save(model, str(path))
    with pytest.raises(ModelError, match="is quantised already"):
        prepare(path, CONTRACT)


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ModelCorrupt, match="is not an ONNX model"):
        prepare(path, CONTRACT)


def test_an_output_that_is_not_there_is_told_with_those_that_are(make_network) -> None:
    with pytest.raises(ModelError, match=r"no output called 'alpha'; it has: output, side"):
        prepare(make_network(), dataclasses.replace(CONTRACT, output="alpha"))


def test_the_real_model_takes_any_multiple_of_64(isnet: Path) -> None:
    from streamer.models.store.registry import lookup

    graph = prepare(isnet, lookup("isnet").contract)
    assert (graph.size, graph.multiple) == ((1024, 1024), 64)
    assert "Cast" not in kinds(graph)
