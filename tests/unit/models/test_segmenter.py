"""The segmenter against a plain reference, for every model contract, and its sizes."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from streamer.config import ContractConfig, ModelConfig
from streamer.errors import ModelCorrupt, ModelError, ProviderError, SegmentError
from streamer.models import load_segmenter, loadable_providers
from streamer.models.runtime.openvino import is_installed
from streamer.models.runtime.segmenter import OnnxSegmenter
from streamer.models.store.registry import Contract, models
from tests.memory import allocating


def reference(path: Path, contract: Contract, image: np.ndarray) -> np.ndarray:
    """The formulas of BRIA's example, written plainly: stretch, normalise, run, stretch back."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    source = next(i for i in session.get_inputs() if contract.input in (None, i.name))
    height, width = (
        side if isinstance(side, int) else contract.input_size for side in source.shape[2:]
    )
    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR)
    tensor = (small.astype(np.float64) / 255 - contract.mean) / contract.std
    dtype = np.float16 if source.type == "tensor(float16)" else np.float32
    tensor = tensor.transpose(2, 0, 1)[None].astype(dtype)
    name = contract.output or session.get_outputs()[0].name
    (estimate,) = session.run([name], {source.name: tensor})
    estimate = np.squeeze(estimate).astype(np.float64)
    if contract.logits:
        estimate = 1 / (1 + np.exp(-estimate))
    back = cv2.resize(estimate, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.clip(back, 0, 1) * 255


def segmenter_for(
    path: Path, contract: Contract, *, ladder: tuple[int, ...] = (), **asked: object
) -> OnnxSegmenter:
    config = ModelConfig(name=str(path), **asked)
    return OnnxSegmenter(
        path, contract, config, name="m", sha256="0" * 64, precision=None, ladder=ladder
    )


@pytest.fixture(params=["onnxruntime", "openvino"])
def backend(request) -> str:
    if request.param == "openvino" and not is_installed():
        pytest.skip('pip install "streamer[openvino]"')
    return request.param


@pytest.fixture
def eighths(tmp_path) -> Path:
    """A graph for any size whose output has the input's only at multiples of 8."""
    nodes = [
        helper.make_node("MaxPool", ["input"], ["small"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Resize", ["small", "", "scales"], ["large"], mode="nearest"),
        helper.make_node("Conv", ["large", "weights"], ["raw"]),
        helper.make_node("Sigmoid", ["raw"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "eighths",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "height", "width"])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "height", "width"])],
        [
            onnx.numpy_helper.from_array(np.array([1, 1, 8, 8], np.float32), "scales"),
            onnx.numpy_helper.from_array(np.ones((1, 3, 1, 1), np.float32), "weights"),
        ],
    )
    path = tmp_path / "eighths.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def contract(**changes: object) -> Contract:
    known = {
        "input": None,
        "output": None,
        "input_size": None,
        "mean": (0.5, 0.5, 0.5),
        "std": (1.0, 1.0, 1.0),
        "logits": False,
    }
    return Contract(**{**known, **changes})


@pytest.mark.parametrize("name", sorted(models()))
def test_alpha_equals_the_reference_for_the_contract_of(
    name, make_model, photographs, backend
) -> None:
    entry = models()[name]
    terms = entry.contract
    path = make_model(
        size=128,
        source=terms.input or "input",
        target=terms.output or "output",
        logits=terms.logits,
        outputs=12 if name == "isnet" else 1,
    )
    segmenter = segmenter_for(path, terms, backend=backend)
    for image in photographs.values():
        out = np.empty(image.shape[:2], np.uint8)
        segmenter.segment(image, out)
        expected = reference(path, terms, image)
        assert np.abs(out - expected).mean() < 2
        assert expected.std() > 10, "a flat reference would prove nothing"


@pytest.mark.parametrize("shape", [(1, 1), (3, 977), (720, 1280), (481, 333)])
def test_alpha_equals_the_reference_at_any_size(shape, make_model) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    image = cv2.GaussianBlur(image, (31, 31), 0) if min(shape) > 31 else image
    path = make_model(size=64)
    out = np.empty(shape, np.uint8)
    segmenter_for(path, contract()).segment(image, out)
    assert np.abs(out - reference(path, contract(), image)).mean() < 2


def test_a_half_precision_graph_gives_the_same_alpha(make_model, photographs, backend) -> None:
    path = make_model(size=64, half=True)
    image = photographs["astronaut"]
    out = np.empty(image.shape[:2], np.uint8)
    segmenter = segmenter_for(path, contract(), backend=backend)
    segmenter.segment(image, out)
    assert np.abs(out - reference(path, contract(), image)).mean() < 2
    assert segmenter.info.precision == "fp16"


def test_the_real_model_agrees_with_the_reference(isnet, photographs) -> None:
    segmenter, fallback = load_segmenter(ModelConfig(name="isnet", precision="fp16"))
    terms = models()["isnet"].contract
    assert fallback is None
    for image in (photographs["astronaut"], photographs["chelsea"]):
        out = np.empty(image.shape[:2], np.uint8)
        segmenter.segment(image, out)
        assert np.abs(out - reference(isnet, terms, image)).mean() < 2
        assert out.max() > 200
        assert out.min() < 20


def test_segmenting_allocates_nothing_of_a_frames_size(make_model, backend) -> None:
    image = np.zeros((720, 1280, 3), np.uint8)
    out = np.empty((720, 1280), np.uint8)
    segmenter = segmenter_for(
        make_model(size="side", logits=True),
        contract(logits=True),
        input_size=512,
        ladder=(256,),
        backend=backend,
    )
    for size in segmenter.sizes:
        segmenter.segment(image, out, size)
    with allocating() as growth:
        for size in segmenter.sizes * 3:
            segmenter.segment(image, out, size)
    assert growth.peak < 256 * 256


def test_normalising_a_flat_map_finds_no_foreground(make_model) -> None:
    segmenter = segmenter_for(make_model(), contract(), normalize=True)
    out = np.full((48, 48), 7, np.uint8)
    segmenter.segment(np.full((48, 48, 3), 200, np.uint8), out)
    assert not out.any()


def test_normalising_reaches_from_black_to_white(make_model, photographs) -> None:
    image = photographs["coffee"]
    segmenter = segmenter_for(make_model(gain=0.1), contract(), normalize=True)
    out = np.empty(image.shape[:2], np.uint8)
    segmenter.segment(image, out)
    assert (out.min(), out.max()) == (0, 255)


def test_a_graph_of_any_size_takes_the_size_asked_for(make_model) -> None:
    path = make_model(size="side")
    assert segmenter_for(path, contract(), input_size=96).info.input_size == (96, 96)
    with pytest.raises(ModelError, match=r"model\.input_size"):
        segmenter_for(path, contract())


def test_a_graph_of_one_size_refuses_another(make_model) -> None:
    with pytest.raises(ModelError, match=r"made for 64x64: `streamer models optimize"):
        segmenter_for(make_model(size=64), contract(), input_size=128)


def test_a_graph_of_one_size_leaves_the_ladder_out(make_model, backend) -> None:
    segmenter = segmenter_for(make_model(size=64), contract(), ladder=(32, 48), backend=backend)
    assert segmenter.sizes == ((64, 64),)


def test_of_the_ladder_only_smaller_sides_count(make_model) -> None:
    path = make_model(size="side")
    segmenter = segmenter_for(path, contract(), input_size=64, ladder=(96, 64, 32, 32))
    assert segmenter.sizes == ((32, 32), (64, 64))


def test_sides_that_the_graph_cannot_do_are_left_out_and_told(
    eighths, backend, caplog, capfd
) -> None:
    with caplog.at_level(logging.INFO, "streamer.models"):
        segmenter = segmenter_for(
            eighths, contract(), input_size=96, ladder=(32, 60, 48), backend=backend
        )
        segmenter.warm_up()
    assert segmenter.sizes == ((32, 32), (48, 48), (96, 96))
    assert [r.getMessage() for r in caplog.records if "60x60 is left out" in r.getMessage()]
    assert capfd.readouterr().err == "", "it is no error"


def test_an_input_size_that_the_graph_cannot_do_is_an_error(eighths, backend) -> None:
    with pytest.raises(ModelError, match=r"does not run at 60x60; another model\.input_size"):
        segmenter_for(eighths, contract(), input_size=60, backend=backend).warm_up()


def test_a_size_of_the_ladder_gives_what_the_model_gives_at_that_size(
    make_model, photographs, backend
) -> None:
    path = make_model(size="side")
    image = photographs["coffee"]
    segmenter = segmenter_for(path, contract(), input_size=320, ladder=(256, 288), backend=backend)
    for side in (256, 288):
        alone = segmenter_for(path, contract(), input_size=side, backend=backend)
        crop = np.ascontiguousarray(image[: 2 * side, : 2 * side])
        expected, out = np.empty(crop.shape[:2], np.uint8), np.empty(crop.shape[:2], np.uint8)
        alone.segment(crop, expected)
        segmenter.segment(crop, out, (side, side))
        assert (out == expected).all()


def test_fine_detail_does_not_flicker_at_a_much_smaller_size(make_model) -> None:
    # Lines of one pixel, moving by one pixel: on the average nothing changes.
    lines = np.zeros((256, 256, 3), np.uint8)
    lines[:, ::2] = 255
    segmenter = segmenter_for(make_model(size="side"), contract(), input_size=256, ladder=(32,))
    alphas = []
    for image in (lines, np.roll(lines, 1, axis=1)):
        out = np.empty((256, 256), np.uint8)
        segmenter.segment(np.ascontiguousarray(image), out, (32, 32))
        alphas.append(out.astype(int))
    assert np.abs(alphas[0] - alphas[1]).mean() < 2


def test_a_provider_that_is_not_here_is_refused(make_model) -> None:
    if "directml" in loadable_providers():
        pytest.skip("DirectML loads here")
    with pytest.raises(ProviderError, match="directml does not load"):
        segmenter_for(make_model(), contract(), providers=["directml", "cpu"])


def test_the_cpu_is_proved_to_load() -> None:
    assert loadable_providers()[-1] == "cpu"


def test_a_half_precision_graph_allocates_nothing_of_a_frames_size_either(make_model) -> None:
    image, out = np.zeros((720, 1280, 3), np.uint8), np.empty((720, 1280), np.uint8)
    segmenter = segmenter_for(make_model(size=256, half=True), contract())
    segmenter.segment(image, out)
    with allocating() as growth:
        segmenter.segment(image, out)
    assert growth.peak < 256 * 256


def test_auto_says_what_really_runs(make_model) -> None:
    info = segmenter_for(make_model(), contract()).info
    assert "CPUExecutionProvider" in info.providers


def test_a_damaged_file_is_named(tmp_path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model" * 100)
    with pytest.raises(ModelCorrupt, match=r"broken\.onnx"):
        segmenter_for(path, contract())


def test_an_input_that_does_not_exist_is_named(make_model) -> None:
    with pytest.raises(ModelError, match="it has: input"):
        segmenter_for(make_model(), contract(input="pixels"))


def test_a_local_file_takes_its_contract_from_the_configuration(make_model, photographs) -> None:
    path = make_model(size=64, logits=True)
    terms = ContractConfig(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), logits=True)
    segmenter, _ = load_segmenter(ModelConfig(name=str(path), contract=terms))
    image = photographs["coffee"]
    out = np.empty(image.shape[:2], np.uint8)
    segmenter.segment(image, out)
    plain = contract(mean=terms.mean, std=terms.std, logits=True)
    assert np.abs(out - reference(path, plain, image)).mean() < 2


def test_a_closed_model_says_so(make_model) -> None:
    segmenter = segmenter_for(make_model(), contract())
    segmenter.close()
    segmenter.close()
    with pytest.raises(SegmentError, match="closed"):
        segmenter.segment(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8))
