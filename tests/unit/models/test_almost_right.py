"""Models that are almost right are refused in one line that says what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamer.config import ModelConfig
from streamer.errors import ModelCorrupt, ModelError, SegmentError
from streamer.models import OnnxSegmenter, load_segmenter
from streamer.models.runtime.openvino import is_installed

SIDE = 64
ORT, OPENVINO = "onnxruntime", "openvino"
Sides = Sequence[int | str | None] | None


@pytest.fixture(params=[ORT, OPENVINO])
def backend(request) -> str:
    if request.param == OPENVINO and not is_installed():
        pytest.skip('pip install "streamer[openvino]"')
    return request.param


@pytest.fixture
def graph(tmp_path) -> Callable[..., Path]:
    """A maker of models: nodes, the shapes of input and output, and what else they differ in."""

    def make(
        *nodes: tuple[Any, ...],
        given: Sides = (1, 3, SIDE, SIDE),
        gives: Sides = (1, 1, SIDE, SIDE),
        kinds: tuple[int, int] = (TensorProto.FLOAT, TensorProto.FLOAT),
        inputs: dict[str, Sides] | None = None,
        outputs: dict[str, Sides] | None = None,
        channels: int = 1,
        opset: int = 17,
        ir_version: int = 8,
        domain: str = "",
    ) -> Path:
        value = helper.make_tensor_value_info
        weights = np.full((channels, 3, 1, 1), 0.3, np.float32)
        made = helper.make_graph(
            [
                helper.make_node(kind, sources.split(), targets.split(), domain=domain, **options)
                for kind, sources, targets, options in nodes
            ],
            "almost",
            ([value("input", kinds[0], given)] if given is not None else [])
            + [value(name, TensorProto.FLOAT, shape) for name, shape in (inputs or {}).items()],
            [value("output", kinds[1], gives)]
            + [value(name, TensorProto.FLOAT, shape) for name, shape in (outputs or {}).items()],
            [
                numpy_helper.from_array(weights, "w"),
                numpy_helper.from_array(np.array([1]), "one"),
                numpy_helper.from_array(np.array([0], np.float32), "zero"),
                numpy_helper.from_array(np.array([-1], np.float32), "minus"),
                numpy_helper.from_array(np.array([20], np.float32), "twenty"),
                numpy_helper.from_array(np.zeros((1, 1, SIDE, SIDE), np.float32), "plane"),
            ],
        )
        opsets = [helper.make_opsetid("", opset)]
        if domain:
            opsets.append(helper.make_opsetid(domain, 1))
        path = tmp_path / "almost.onnx"
        onnx.save(helper.make_model(made, opset_imports=opsets, ir_version=ir_version), str(path))
        return path

    return make


def conv(target: str = "output", source: str = "input", **options: Any) -> tuple[Any, ...]:
    return ("Conv", f"{source} w", target, options)


def loaded(path: Path, backend: str = ORT, **asked: Any) -> OnnxSegmenter:
    segmenter, _ = load_segmenter(
        ModelConfig.model_validate({"name": str(path), "backend": backend, **asked})
    )
    segmenter.warm_up()
    assert isinstance(segmenter, OnnxSegmenter)
    return segmenter


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 80, 3), np.uint8)


def alpha_of(segmenter: OnnxSegmenter) -> np.ndarray:
    out = np.full((48, 80), 7, np.uint8)
    segmenter.segment(picture(), out)
    return out


def refused(path: Path, backend: str, told: str, **asked: Any) -> None:
    with pytest.raises(ModelError, match=told) as refusal:
        loaded(path, backend, **asked)
    assert refusal.value.exit_code == 4
    assert path.name in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_output_of_two_channels_is_named_with_its_shape(graph, backend) -> None:
    told = r"its output output is \[1, 2, 64, 64\], not \[1, 1, 64, 64\]: only one plane"
    refused(graph(conv(), gives=(1, 2, SIDE, SIDE), channels=2), backend, told)


def test_two_channels_that_only_a_run_shows_are_named_too(graph, backend) -> None:
    free = graph(conv(), given=(1, 3, "h", "w"), gives=(1, "planes", "h", "w"), channels=2)
    refused(free, backend, r"its output output is \[1, 2, ", input_size=64)


@pytest.mark.parametrize("gives", [(1, 1, 32, 32), (1, 1, "h", "w"), None])
def test_an_output_of_half_the_size_is_named_with_its_shape(graph, backend, gives) -> None:
    path = graph(conv(strides=[2, 2]), gives=gives)
    refused(path, backend, r"its output output is \[1, 1, 32, 32\], not \[1, 1, 64, 64\]")


def test_an_output_whose_channels_come_last_is_named_with_its_shape(graph, backend) -> None:
    path = graph(
        conv("raw"), ("Transpose", "raw", "output", {"perm": [0, 2, 3, 1]}), gives=(1, 64, 64, 1)
    )
    refused(path, backend, r"its output output is \[1, 64, 64, 1\]")


def test_an_output_that_is_no_picture_is_named_with_its_shape(graph) -> None:
    path = graph(conv("raw"), ("ReduceMean", "raw", "output", {"keepdims": 0}), gives=())
    refused(path, ORT, r"its output output is \[\]")


def test_other_outputs_are_named_as_the_way_out(graph, backend) -> None:
    path = graph(
        conv(),
        conv("raw"),
        ("Sigmoid", "raw", "alpha", {}),
        gives=(1, 2, SIDE, SIDE),
        outputs={"alpha": (1, 2, SIDE, SIDE)},
        channels=2,
    )
    refused(path, backend, r"model\.contract\.output may name another: alpha \[1, 2, 64, 64\]")


def test_a_second_input_is_named(graph, backend) -> None:
    path = graph(
        conv("raw"), ("Mul", "raw mask", "output", {}), inputs={"mask": (1, 1, SIDE, SIDE)}
    )
    told = r"wants mask \[1, 1, 64, 64\] beside the picture, input \[1, 3, 64, 64\]"
    refused(path, backend, told)


def test_a_model_without_an_input_says_so(graph, backend) -> None:
    refused(graph(("Identity", "plane", "output", {}), given=None), backend, "has no input")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((2, 3, SIDE, SIDE), r"\[2, 3, 64, 64\], not \[1, 3, height, width\]"),
        ((1, 1, SIDE, SIDE), r"\[1, 1, 64, 64\], not \[1, 3, height, width\]"),
        ((1, SIDE, SIDE, 3), r"\[1, 64, 64, 3\], not \[1, 3, height, width\]"),
        ((1, None, None, 3), r"\[1, None, None, 3\], not \[1, 3, height, width\]"),
        ((3, SIDE, SIDE), r"\[3, 64, 64\], not \[1, 3, height, width\]"),
    ],
)
def test_an_input_that_is_no_picture_is_named_with_its_shape(graph, backend, given, told) -> None:
    path = graph(("Sigmoid", "input", "output", {}), given=given, gives=given)
    refused(path, backend, told)


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ((TensorProto.UINT8, TensorProto.FLOAT), r"its input input \[1, 3, 64, 64\] is of"),
        ((TensorProto.DOUBLE, TensorProto.FLOAT), r"its input input \[1, 3, 64, 64\] is of"),
        ((TensorProto.FLOAT, TensorProto.INT64), r"its output output \[1, 3, 64, 64\] is of"),
        ((TensorProto.FLOAT, TensorProto.BOOL), r"its output output \[1, 3, 64, 64\] is of"),
    ],
)
def test_tensors_that_are_no_floats_are_named(graph, backend, kinds, told) -> None:
    cast = ("Cast", "input", "output", {"to": kinds[1]})
    refused(graph(cast, gives=(1, 3, SIDE, SIDE), kinds=kinds), backend, told)


@pytest.mark.parametrize(
    ("nodes", "gives"),
    [
        ([conv("raw"), ("Squeeze", "raw one", "output", {})], (1, SIDE, SIDE)),
        ([conv("raw"), ("Unsqueeze", "raw one", "output", {})], (1, 1, 1, SIDE, SIDE)),
        ([conv()], (1, 1, "height", "width")),
        ([conv()], ("batch", 1, SIDE, SIDE)),
    ],
)
def test_an_alpha_of_more_or_fewer_dimensions_is_taken(graph, backend, nodes, gives) -> None:
    assert alpha_of(loaded(graph(*nodes, gives=gives), backend)).std() > 1


def test_a_batch_of_any_size_is_taken(graph, backend) -> None:
    path = graph(conv(), given=("n", 3, SIDE, SIDE), gives=("n", 1, SIDE, SIDE))
    assert alpha_of(loaded(path, backend)).std() > 1


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("how", ["nan", "infinite"])
def test_what_is_no_number_is_an_error_and_never_an_empty_alpha(
    graph, backend, how, normalize
) -> None:
    broken = ("Log", "minus", "bad", {}) if how == "nan" else ("Div", "twenty zero", "bad", {})
    path = graph(conv("raw"), broken, ("Add", "raw bad", "output", {}))
    segmenter = loaded(path, backend, normalize=normalize)
    out = np.full((48, 80), 7, np.uint8)
    with pytest.raises(SegmentError, match=r"its output, \[1, 1, 64, 64\], holds what is no num"):
        segmenter.segment(picture(), out)
    assert (out == 7).all()


def test_what_is_before_its_sigmoid_is_told_how_to_say_so(graph, backend) -> None:
    path = graph(conv("raw"), ("Mul", "raw twenty", "output", {}))
    with pytest.raises(SegmentError, match=r"reaches from -\d.* to \d.*: \{logits: true\}"):
        alpha_of(loaded(path, backend))
    assert alpha_of(loaded(path, backend, contract={"logits": True})).std() > 10


def test_a_little_beyond_0_and_1_is_an_alpha(graph) -> None:
    assert alpha_of(loaded(graph(conv()))).min() == 0


@pytest.mark.parametrize(
    ("options", "way_out"),
    [
        ({"ir_version": 99}, "export it for an older version of ONNX, or take a newer onnxruntime"),
        ({"opset": 999}, "export it for an older version of ONNX, or take a newer onnxruntime"),
        ({"domain": "com.acme"}, "export it with ONNX's own operators only"),
    ],
)
def test_a_model_that_onnxruntime_does_not_know_has_a_way_out(graph, options, way_out) -> None:
    path = graph(("Sigmoid", "input", "output", {}), gives=(1, 3, SIDE, SIDE), **options)
    refused(path, ORT, way_out)


@pytest.mark.parametrize("content", [b"", b"not a model" * 100, None])
def test_a_file_that_is_no_model_is_named(graph, tmp_path, backend, content) -> None:
    path = tmp_path / "torn.onnx"
    path.write_bytes(graph(conv()).read_bytes()[:120] if content is None else content)
    refused(path, backend, "is it a complete")


def test_a_folder_is_no_model(tmp_path) -> None:
    folder = tmp_path / "folder.onnx"
    folder.mkdir()
    with pytest.raises(ModelError, match=r"folder\.onnx: is a folder"):
        load_segmenter(ModelConfig(name=str(folder)))


def test_what_onnxruntime_says_fits_in_a_line(tmp_path) -> None:
    path = tmp_path / "torn.onnx"
    path.write_bytes(b"\x08")
    with pytest.raises(ModelCorrupt) as refusal:
        load_segmenter(ModelConfig(name=str(path)))
    assert "\n" not in str(refusal.value)
    assert "onnxruntime_src" not in str(refusal.value)
