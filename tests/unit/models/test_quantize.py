"""Ranges that a few odd pictures do not spoil, and a graph that integer kernels take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.models.optimizing.graph import Graph, cpu_session, prepare
from streamer.models.optimizing.quantize import Ranges, quantize
from streamer.models.store.registry import Contract

CONTRACT = Contract(None, None, None, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), logits=False)


def pictures(count: int, size: int = 64) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.random((1, 3, size, size), dtype=np.float32) - 0.5 for _ in range(count)]


@pytest.fixture
def graph(make_network) -> Graph:
    return prepare(make_network(), CONTRACT)


def quantized(graph: Graph) -> object:
    ranges = Ranges(graph, 1)
    for picture in pictures(4):
        ranges.see(picture)
    return quantize(graph, ranges.settled(), reduce_range=False)


def test_int8_estimates_nearly_the_same_at_any_size(graph: Graph) -> None:
    model = quantized(graph)
    for size in (64, 96):
        (picture,) = pictures(1, size)
        exact, near = (
            cpu_session(m, 1).run(None, {"input": picture})[0] for m in (graph.model, model)
        )
        assert near.shape == exact.shape
        assert np.abs(exact - near).mean() < 0.01


def test_weights_are_bytes_with_a_scale_for_each_channel(graph: Graph) -> None:
    model = quantized(graph)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    scales = [
        tensors[node.input[1]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
        and tensors.get(node.input[0]) is not None
        and len(tensors[node.input[0]].dims) == 4
    ]
    assert scales
    assert all(list(scale.dims) == [8] for scale in scales)


def test_the_last_operators_stay_float(graph: Graph) -> None:
    model = quantized(graph)
    makers = {name: node for node in model.graph.node for name in node.output}
    sigmoid = makers[model.graph.output[0].name]
    assert sigmoid.op_type == "Sigmoid"
    assert makers[sigmoid.input[0]].op_type == "Conv"


def test_a_picture_in_a_hundred_times_brighter_light_does_not_widen_the_steps(
    graph: Graph,
) -> None:
    ranges = Ranges(graph, 1)
    calm = pictures(4)
    for picture in [*calm, 100 * calm[0]]:
        ranges.see(picture)
    least, greatest = ranges.settled()["input"]
    assert (least, greatest) == (pytest.approx(-0.5, abs=0.01), pytest.approx(0.5, abs=0.01))


def test_looking_gives_the_estimate(graph: Graph, tmp_path: Path) -> None:
    (picture,) = pictures(1)
    exact = cpu_session(graph.model, 1).run(None, {"input": picture})[0]
    np.testing.assert_allclose(Ranges(graph, 1).see(picture), exact, atol=1e-6)
