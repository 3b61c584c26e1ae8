"""Weights in files beside a graph: found, hashed, and refused where they are missing or outside."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamer.config import ModelConfig
from streamer.errors import ModelCorrupt, ModelError, ModelNotFound
from streamer.models import load_segmenter
from streamer.models.runtime.openvino import is_installed
from streamer.models.store.cache import sha256_of
from streamer.models.store.external import digest_of, size_of, weight_files


def external(name: str, location: str, length: int = 3) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1, length, 1, 1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="offset", value="0")
    tensor.external_data.add(key="location", value=location)
    return tensor


def model(path: Path, *tensors: TensorProto) -> Path:
    """A model at *path* whose weights are the first of *tensors*; the others are not used."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["input", tensors[0].name], ["raw"]),
            helper.make_node("Sigmoid", ["raw"], ["output"]),
        ],
        "beside",
        [value("input", TensorProto.FLOAT, [1, 3, 64, 64])],
        [value("output", TensorProto.FLOAT, [1, 1, 64, 64])],
        list(tensors),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    return path


def weights(path: Path, value: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.full(3, value, np.float32).tobytes())
    return path


def alpha(path: Path, backend: str = "onnxruntime") -> int:
    """The mean alpha of a grey picture."""
    segmenter, _ = load_segmenter(ModelConfig(name=str(path), backend=backend))
    out = np.zeros((64, 64), np.uint8)
    segmenter.segment(np.full((64, 64, 3), 255, np.uint8), out)
    return int(out.mean())


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_weights_beside_the_graph_and_in_folders_below_are_used(tmp_path, backend) -> None:
    if backend == "openvino" and not is_installed():
        pytest.skip('pip install "streamer[openvino]"')
    for location in ("m.onnx.data", "deep/er/w.bin"):
        path = model(tmp_path / "m.onnx", external("w", location))
        file = weights(tmp_path / location, 2.0)
        assert weight_files(path) == [file]
        assert alpha(path, backend) == pytest.approx(255 / (1 + np.exp(-3)), abs=1)


def test_the_hash_is_of_the_graph_and_of_all_its_weights(tmp_path) -> None:
    path = model(tmp_path / "m.onnx", external("w", "a.data"), external("v", "b.data"))
    first, second = weights(tmp_path / "a.data"), weights(tmp_path / "b.data")
    before = digest_of(path)
    assert size_of(path) == path.stat().st_size + 24
    seen = {before, sha256_of(path)}
    for file in (first, second):
        weights(file, 0.25)
        seen.add(digest_of(path))
        weights(file)
    assert len(seen) == 4
    assert digest_of(path) == before
    segmenter, _ = load_segmenter(ModelConfig(name=str(path)))
    assert segmenter.info.sha256 == before


def test_a_file_that_holds_its_weights_has_its_own_hash(make_model) -> None:
    path = make_model(source="location")
    assert not weight_files(path)
    assert digest_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_one_file_of_several_tensors_counts_once(tmp_path) -> None:
    path = model(tmp_path / "m.onnx", external("w", "a.data"), external("v", "a.data"))
    file = weights(tmp_path / "a.data")
    assert weight_files(path) == [file]


def test_weights_of_subgraphs_attributes_and_functions_are_found(tmp_path) -> None:
    inner = helper.make_graph([], "inner", [], [], [external("i", "subgraph")])
    sparse = onnx.SparseTensorProto(values=external("s", "sparse"), dims=[3])
    nodes = [
        helper.make_node("If", ["c"], ["x"], then_branch=inner),
        helper.make_node("Constant", [], ["k"], value=external("k", "constant")),
        helper.make_node("Scan", [], ["y"], bodies=[inner]),
    ]
    nodes[2].attribute[0].graphs[0].initializer[0].external_data[1].value = "graphs"
    listed = nodes[1].attribute.add(name="all", type=onnx.AttributeProto.TENSORS)
    listed.tensors.append(external("t", "tensors"))
    graph = helper.make_graph(nodes, "g", [], [], sparse_initializer=[sparse])
    within = helper.make_node("Constant", [], ["k"], value=external("k", "function"))
    function = helper.make_function("own", "F", [], ["k"], [within], [helper.make_opsetid("", 17)])
    path = tmp_path / "all.onnx"
    path.write_bytes(helper.make_model(graph, functions=[function]).SerializeToString())
    names = ["constant", "function", "graphs", "sparse", "subgraph", "tensors"]
    for name in names:
        weights(tmp_path / name)
    assert [file.name for file in weight_files(path)] == names


def test_weights_that_are_missing_are_named(tmp_path) -> None:
    path = model(tmp_path / "m.onnx", external("w", "gone.data"))
    with pytest.raises(ModelNotFound, match=r"m\.onnx: its weights, gone\.data, are not in its f"):
        load_segmenter(ModelConfig(name=str(path)))


@pytest.mark.parametrize(
    "location", ["../w.data", "a/../../w.data", "/etc/passwd", "C:\\w", "..\\w"]
)
def test_weights_outside_of_the_models_folder_are_refused(tmp_path, location) -> None:
    weights(tmp_path / "w.data")
    path = model(tmp_path / "inner" / "m.onnx", external("w", location))
    with pytest.raises(ModelError, match="outside of its folder"):
        load_segmenter(ModelConfig(name=str(path)))


def test_weights_that_are_cut_off_are_told_in_one_line(tmp_path, capfd) -> None:
    path = model(tmp_path / "m.onnx", external("w", "m.data"))
    weights(tmp_path / "m.data").write_bytes(b"1234")
    with pytest.raises(ModelCorrupt, match=r"m\.onnx: onnxruntime cannot load this model: .* w "):
        load_segmenter(ModelConfig(name=str(path)))
    assert capfd.readouterr().err == ""


def test_what_is_no_model_has_no_weights_beside_it(make_model, tmp_path) -> None:
    whole = model(tmp_path / "m.onnx", external("w", "location")).read_bytes()
    weights(tmp_path / "location")
    torn = tmp_path / "torn.onnx"
    for content in (
        b"",
        b"location",
        b"\xff" * 99 + b"location",
        *(whole[:n] for n in range(len(whole))),
    ):
        torn.write_bytes(content)
        assert weight_files(torn) in ([], [tmp_path / "location"])


def test_names_that_say_where_a_value_is_inside_are_no_files(tmp_path) -> None:
    tensor = external("w", "m.data")
    tensor.data_location = TensorProto.DEFAULT
    tensor.raw_data = np.ones(3, np.float32).tobytes()
    assert numpy_helper.to_array(tensor).size == 3
    assert not weight_files(model(tmp_path / "m.onnx", tensor))
