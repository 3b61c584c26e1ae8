"""A recurrent model: what it carries from picture to picture, and when it forgets."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from streamer.config import Config, ModelConfig
from streamer.errors import ModelError, SegmentError
from streamer.frame import Frame, Stamp
from streamer.loading import load_matting
from streamer.models import load_segmenter
from streamer.models.runtime import segmenter as segmenting
from streamer.models.runtime.recurrent import RecurrentSegmenter
from streamer.models.store import registry, weights
from streamer.models.store.registry import Contract, Recurrence, lookup
from streamer.remover import BackgroundRemover
from tests.memory import allocating
from tests.unit.models.recurrent_graph import CONTRACT, registered, write_recurrent


def load(path, contract: Contract = CONTRACT, **asked) -> RecurrentSegmenter:
    config = ModelConfig(name="recurrent", providers=["cpu"], **asked)
    return RecurrentSegmenter(
        path, contract, config, name="recurrent", sha256="0" * 64, precision="fp32"
    )


@pytest.fixture
def segmenter(tmp_path):
    made = load(write_recurrent(tmp_path / "recurrent.onnx"))
    made.warm_up()
    return made


def grey(level: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def alpha_of(segmenter, image) -> int:
    out = np.full(image.shape[:2], 7, np.uint8)
    segmenter.segment(image, out)
    assert out.min() == out.max(), "a plain picture has a plain alpha"
    return int(out[0, 0])


def test_each_alpha_rests_on_the_pictures_before(segmenter):
    alphas = [alpha_of(segmenter, grey(level)) for level in (200, 200, 200, 0, 0)]
    # 200/2; (200 + 100)/2; (200 + 150)/2; 175/2; 87.5/2
    assert alphas == pytest.approx([100, 150, 175, 87.5, 43.75], abs=1)


def test_two_of_one_file_share_a_session_and_no_states(tmp_path, opened):
    path = write_recurrent(tmp_path / "recurrent.onnx")
    one, other = load(path), load(path)
    assert len(opened) == 1
    alphas = [(alpha_of(one, grey(200)), alpha_of(other, grey(0))) for _ in range(3)]
    assert [first for first, _ in alphas] == pytest.approx([100, 150, 175], abs=1)
    assert [second for _, second in alphas] == [0, 0, 0]
    one.close()
    assert alpha_of(other, grey(200)) == pytest.approx(100, abs=1)


def test_a_warm_up_is_forgotten_and_so_is_what_was_before_a_reset(segmenter):
    first = [alpha_of(segmenter, grey(200)) for _ in range(3)]
    segmenter.reset()
    assert [alpha_of(segmenter, grey(200)) for _ in range(3)] == first
    segmenter.warm_up()
    assert alpha_of(segmenter, grey(200)) == first[0]


def test_the_state_keeps_its_place_in_the_picture(segmenter):
    bright = grey(0)
    bright[:, :32] = 240
    out = np.empty((48, 64), np.uint8)
    segmenter.segment(bright, out)
    segmenter.segment(grey(0), out)
    assert (out[:, :32] == 60).all()
    assert (out[:, 32:] == 0).all()


def test_a_picture_goes_in_at_its_own_size_and_shape(segmenter):
    checks = np.indices((30, 50)).sum(axis=0) % 2 * 254
    image = np.repeat(checks.astype(np.uint8)[:, :, None], 3, axis=2)
    out = np.empty((30, 50), np.uint8)
    segmenter.segment(image, out)
    assert (out == image[:, :, 0] // 2).all(), "not a pixel is blurred by scaling"
    assert segmenter.sizes == ((30, 50),)
    assert segmenter.info.input_size == (30, 50)


def test_another_size_begins_anew_and_leaves_the_old_one_behind(segmenter):
    for _ in range(4):
        alpha_of(segmenter, grey(200))
    assert alpha_of(segmenter, grey(200, 20, 30)) == pytest.approx(100, abs=1)
    assert alpha_of(segmenter, grey(200)) == pytest.approx(100, abs=1)


def test_a_larger_picture_is_shrunk_within_the_graph_only(segmenter):
    # The graph multiplies its alpha with the ratio: 512 of 1024.
    assert alpha_of(segmenter, grey(200, 16, 1024)) == pytest.approx(50, abs=1)
    assert alpha_of(segmenter, grey(200, 16, 512)) == pytest.approx(100, abs=1)


def test_nothing_of_a_frames_size_is_allocated_for_a_frame_or_a_reset(segmenter):
    image, out = grey(90, 240, 320), np.empty((240, 320), np.uint8)
    for _ in range(3):
        segmenter.segment(image, out)
    with allocating() as growth:
        for _ in range(5):
            segmenter.segment(image, out)
        segmenter.reset()
    assert growth.peak < out.nbytes / 4


def test_it_says_that_it_is_recurrent(segmenter, make_model):
    assert segmenter.info.recurrent
    plain, _ = load_segmenter(ModelConfig(name=str(make_model())))
    assert not plain.info.recurrent


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"input_size": 512}, r"model\.input_size: recurrent takes each frame at its own size"),
        ({"options": {"cuda": {"cuda_graphs": True}}}, "recurrent cannot be recorded"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, asked, message):
    with pytest.raises(ModelError, match=message):
        load(write_recurrent(tmp_path / "m.onnx"), **asked)


def test_openvino_is_refused(tmp_path):
    config = ModelConfig(name="recurrent", backend="openvino")
    path = write_recurrent(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="runs on onnxruntime only"):
        RecurrentSegmenter(path, CONTRACT, config, name="recurrent", sha256="", precision=None)


def test_a_graph_without_the_states_is_named(tmp_path):
    contract = Contract(
        "src", "pha", None, (0, 0, 0), (1, 1, 1), False, Recurrence((("r9i", "r1o"),), "ratio", 512)
    )
    with pytest.raises(ModelError, match=r"no input called r9i, ratio"):
        load(write_recurrent(tmp_path / "m.onnx"), contract)


def test_tracked_matting_is_refused_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path))
    config = Config.model_validate(
        {
            "source": {"type": "usb"},
            "sinks": [{"type": "discard"}],
            "model": {"name": "rvm-mobilenetv3"},
            "matting": {"mode": "tracked"},
        }
    )
    with pytest.raises(ModelError, match=r"tracked is not for rvm-mobilenetv3.*every_frame"):
        load_matting(config)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def installed(tmp_path, monkeypatch) -> str:
    """The name of a recurrent model that is registered and in the cache."""
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path))
    (tmp_path / "models").mkdir()
    path = write_recurrent(tmp_path / "models" / "recurrent.onnx")
    entry = registered(path, "https://nowhere.invalid/recurrent.onnx")
    for module in (registry, segmenting):
        monkeypatch.setattr(module, "models", lambda: {entry.name: entry})
    monkeypatch.setattr(weights, "lookup", {entry.name: entry}.__getitem__)
    return entry.name


def test_single_pictures_have_none_before_them(installed):
    with BackgroundRemover(installed, providers=["cpu"]) as remover:
        first, again = remover.alpha(grey(200)), remover.alpha(grey(200))
    assert (first == again).all()
    assert first[0, 0] == pytest.approx(100, abs=1)


@pytest.mark.parametrize("preprocess", [{}, {"scale": 0.5}, {"roi": [0, 0, 0.5, 1]}], ids=str)
def test_a_stream_goes_on_and_begins_anew_at_the_next_epoch(installed, preprocess):
    config = Config.model_validate(
        {
            "source": {"type": "usb"},
            "sinks": [{"type": "discard"}],
            "model": {"name": installed, "providers": ["cpu"]},
            "preprocess": preprocess,
        }
    )
    matting, _ = load_matting(config)
    matting.warm_up()
    seen = []
    for index, epoch in enumerate([0, 0, 1, 1]):
        alpha = np.empty((48, 64), np.uint8)
        stamp = Stamp(index, index, Fraction(1, 25), 0, epoch)
        (matte,) = matting.matte(Frame(grey(200), stamp), alpha)
        seen.append(int(matte.alpha[24, 10]))
    matting.close()
    assert seen == pytest.approx([100, 150, 100, 150], abs=1)


def test_rvm_is_registered_as_its_authors_describe_it():
    entry = lookup("rvm-mobilenetv3")
    assert entry.licence == "GPL-3.0"
    recurrence = entry.contract.recurrence
    assert recurrence is not None
    assert recurrence.states == tuple((f"r{n}i", f"r{n}o") for n in range(1, 5))
    assert (recurrence.ratio, recurrence.inner_side) == ("downsample_ratio", 512)
    assert (entry.contract.input, entry.contract.output) == ("src", "pha")
    assert (entry.contract.mean, entry.contract.std) == ((0, 0, 0), (1, 1, 1))


def test_a_closed_one_says_so(segmenter):
    segmenter.close()
    segmenter.close()
    segmenter.reset()
    with pytest.raises(SegmentError, match="closed"):
        alpha_of(segmenter, grey(1))


def test_what_is_no_number_is_an_error_and_not_carried_on(tmp_path):
    overflows = replace(CONTRACT, std=(4e-39,) * 3)
    segmenter = load(write_recurrent(tmp_path / "recurrent.onnx"), overflows)
    for _ in range(2):
        with pytest.raises(SegmentError, match="holds what is no number"):
            alpha_of(segmenter, grey(200))
        assert alpha_of(segmenter, grey(0)) == 0
