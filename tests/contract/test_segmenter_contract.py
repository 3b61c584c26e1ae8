"""
What every segmenter promises, over every backend and the fake.

Those for a GPU are skipped, and say so, where none is; with STREAMER_REQUIRE_GPU=1 they fail.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest

from streamer.config import BlurConfig, HsvConfig, HsvRangeConfig, ModelConfig, PreprocessConfig
from streamer.errors import SegmentError
from streamer.models import load_segmenter, loadable_providers
from streamer.models.runtime.openvino import is_installed
from streamer.models.runtime.recurrent import RecurrentSegmenter
from streamer.preprocessing import PreparedSegmenter
from streamer.protocols import Segmenter
from tests.fakes import FakeSegmenter
from tests.unit.models.recurrent_graph import CONTRACT, write_recurrent

Make = Callable[..., Segmenter]

OWN, LADDER = 128, (32, 64)

BACKENDS = {
    "onnxruntime": {"backend": "onnxruntime", "providers": ["cpu"]},
    "openvino": {"backend": "openvino"},
    "cuda": {"providers": ["cuda", "cpu"]},
    "cuda graphs": {
        "providers": ["cuda", "cpu"],
        "options": {"cuda": {"cuda_graphs": True, "conv_search": "heuristic"}},
    },
    "tensorrt": {"providers": ["tensorrt", "cuda", "cpu"]},
    "tensorrt, all options": {
        "providers": ["tensorrt", "cuda", "cpu"],
        "options": {"tensorrt": {"fp16": True, "cuda_graphs": True}},
    },
}

PREPARED = {
    "prepared: shrunk": PreprocessConfig(scale=0.5),
    "prepared: filtered": PreprocessConfig(
        denoise=0.5,
        blur=BlurConfig(kind="median"),
        hsv=HsvConfig(mode="drop", ranges=[HsvRangeConfig(hue=(100, 140))]),
    ),
    "prepared: both": PreprocessConfig(max_side=32, blur=BlurConfig()),
}


def require(what: str) -> None:
    """Skip, or fail where a GPU is required, unless *what* runs here."""
    if what == "openvino" and not is_installed():
        pytest.skip('OpenVINO is not installed: pip install "streamer[openvino]"')
    if what.startswith(("cuda", "tensorrt")):
        provider = "cuda" if what.startswith("cuda") else "tensorrt"
        if provider in loadable_providers():
            return
        if os.environ.get("STREAMER_REQUIRE_GPU") == "1":
            pytest.fail(f"STREAMER_REQUIRE_GPU=1, and {provider} does not load here")
        pytest.skip(f"NOT TESTED: {provider} does not load here: it needs an NVIDIA GPU")


SHARED = ["onnxruntime, shared", "openvino, shared"]
"""Of a graph that another segmenter has loaded and works with."""
OF_SEVERAL_SIZES = ["fake", *PREPARED, *BACKENDS, *SHARED]


@pytest.fixture(params=[*OF_SEVERAL_SIZES, "recurrent"])
def make(request, make_model, tmp_path, monkeypatch) -> Make:
    if request.param == "fake":
        return lambda: FakeSegmenter(sides=(*LADDER, OWN))
    if request.param == "recurrent":
        path = write_recurrent(tmp_path / "recurrent.onnx")
        config = ModelConfig(providers=["cpu"])
        named = {"name": "recurrent", "sha256": "0" * 64, "precision": "fp32"}
        return lambda: RecurrentSegmenter(path, CONTRACT, config, **named)
    if request.param in PREPARED:
        return lambda: PreparedSegmenter(
            FakeSegmenter(sides=(*LADDER, OWN)), PREPARED[request.param]
        )
    backend = request.param.removesuffix(", shared")
    require(backend)
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    config = ModelConfig(name=str(make_model(size="side")), input_size=OWN, **BACKENDS[backend])
    beside: Segmenter | None = None
    if request.param in SHARED:
        beside, _ = load_segmenter(config, ladder=LADDER)
        beside.warm_up()

    def made(kept: Segmenter | None = beside) -> Segmenter:
        return load_segmenter(config, ladder=LADDER)[0]

    return made


of_several_sizes = pytest.mark.parametrize("make", OF_SEVERAL_SIZES, indirect=True)
"""A recurrent one has the latest picture's size alone."""


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("shape", [(48, 64), (1, 1), (33, 77)])
def test_the_whole_of_out_is_written_and_the_image_left_alone(make: Make, shape) -> None:
    segmenter = make()
    segmenter.warm_up()
    image = noise(*shape, 3)
    kept = image.copy()
    for size in (*segmenter.sizes, None):
        results = []
        for before in (0, 255):
            out = np.full(shape, before, np.uint8)
            segmenter.reset()
            segmenter.segment(image, out, size)
            results.append(out)
        assert (results[0] == results[1]).all()
    assert (image == kept).all()


def test_parts_of_larger_pictures_are_read_and_written_where_they_lie(make: Make) -> None:
    segmenter = make()
    image, alpha = noise(90, 120, 3), np.full((90, 120), 7, np.uint8)
    part = np.s_[10:70, 31:110]
    expected = np.empty((60, 79), np.uint8)
    for size in segmenter.sizes:
        segmenter.reset()
        segmenter.segment(np.ascontiguousarray(image[part]), expected, size)
        alpha.fill(7)
        segmenter.reset()
        segmenter.segment(image[part], alpha[part], size)
        assert (alpha[part] == expected).all()
        alpha[part] = 7
        assert (alpha == 7).all(), "nothing is written beside it"


@of_several_sizes
def test_the_same_image_gives_the_same_alpha_after_other_sizes(make: Make) -> None:
    segmenter = make()
    image = noise(48, 64, 3)
    alphas = []
    for _ in range(2):
        for size in segmenter.sizes:
            out = np.empty((48, 64), np.uint8)
            segmenter.segment(image, out, size)
            alphas.append(out)
        segmenter.segment(np.zeros((20, 30, 3), np.uint8), np.empty((20, 30), np.uint8))
    half = len(alphas) // 2
    assert np.array_equal(alphas[:half], alphas[half:])


@of_several_sizes
def test_it_is_ready_for_its_own_size_and_the_ladders(make: Make) -> None:
    segmenter = make()
    segmenter.warm_up()
    assert segmenter.sizes == ((32, 32), (64, 64), (128, 128))
    assert segmenter.info.input_size == segmenter.sizes[-1]


def test_without_a_size_it_takes_the_largest(make: Make) -> None:
    segmenter = make()
    image, left, right = (
        noise(48, 64, 3),
        np.empty((48, 64), np.uint8),
        np.empty((48, 64), np.uint8),
    )
    segmenter.segment(image, left)
    segmenter.reset()
    segmenter.segment(image, right, segmenter.sizes[-1])
    assert (left == right).all()


def test_after_a_reset_it_is_as_if_nothing_had_been_seen(make: Make) -> None:
    segmenter = make()
    image, first, again = (
        noise(48, 64, 3),
        np.empty((48, 64), np.uint8),
        np.empty((48, 64), np.uint8),
    )
    segmenter.segment(image, first)
    segmenter.segment(255 - image, again)
    segmenter.reset()
    segmenter.segment(image, again)
    assert (again == first).all()


def test_a_size_that_it_is_not_ready_for_is_refused(make: Make) -> None:
    with pytest.raises(ValueError, match="not ready for"):
        make().segment(noise(8, 8, 3), np.empty((8, 8), np.uint8), (40, 40))


def test_what_runs_is_plain_data_for_the_report(make: Make) -> None:
    info = json.loads(json.dumps(asdict(make().info)))
    assert info["providers"]
    assert len(info["sha256"]) == 64


def test_between_inferences_no_thread_spins(make: Make) -> None:
    segmenter = make()
    for size in segmenter.sizes:
        segmenter.segment(noise(48, 64, 3), np.empty((48, 64), np.uint8), size)
    before = time.process_time()
    threading.Event().wait(0.3)
    assert time.process_time() - before < 0.1


def test_closing_twice_is_once_and_says_so(make: Make) -> None:
    segmenter = make()
    segmenter.close()
    segmenter.close()
    assert segmenter.info.name
    with pytest.raises(SegmentError, match="closed"):
        segmenter.segment(noise(8, 8, 3), np.empty((8, 8), np.uint8))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_it_cannot_be_copied(make: Make, duplicate) -> None:
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        duplicate(make())


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_finds_the_same_alpha(
    backend, make_model, photographs, tmp_path, monkeypatch
):
    require(backend)
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    path = make_model(size="side")
    alphas = []
    for asked in (BACKENDS["onnxruntime"], BACKENDS[backend]):
        config = ModelConfig(name=str(path), input_size=OWN, **asked)
        segmenter, _ = load_segmenter(config, ladder=LADDER)
        for image in photographs.values():
            for size in segmenter.sizes:
                out = np.empty(image.shape[:2], np.uint8)
                segmenter.segment(image, out, size)
                alphas.append(out.astype(int))
    half = len(alphas) // 2
    for plain, other in zip(alphas[:half], alphas[half:], strict=True):
        assert np.abs(plain - other).mean() < 1
