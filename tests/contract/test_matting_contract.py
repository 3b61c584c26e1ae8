"""What every segmenter and every matting promises, over the real ones and the fakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction

import numpy as np
import pytest

from streamer.config import ModelConfig
from streamer.frame import Frame, Stamp
from streamer.matting import EveryFrame
from streamer.protocols import Segmenter
from streamer.segmentation import load_segmenter
from tests.fakes import FakeSegmenter

Make = Callable[[], Segmenter]


@pytest.fixture(params=["onnx", "fake"])
def make(request, make_model) -> Make:
    if request.param == "fake":
        return FakeSegmenter
    path = make_model()
    return lambda: load_segmenter(ModelConfig(name=str(path)))[0]


@pytest.mark.parametrize("shape", [(48, 64), (1, 1), (33, 77)])
def test_the_whole_of_out_is_written_and_the_image_left_alone(make: Make, shape) -> None:
    segmenter = make()
    segmenter.warm_up()
    image = np.random.default_rng(3).integers(0, 256, (*shape, 3), np.uint8)
    kept = image.copy()
    results = []
    for before in (0, 255):
        out = np.full(shape, before, np.uint8)
        segmenter.segment(image, out)
        results.append(out)
    assert (results[0] == results[1]).all()
    assert (image == kept).all()


def test_the_same_image_gives_the_same_alpha_after_another_size(make: Make) -> None:
    segmenter = make()
    image = np.random.default_rng(4).integers(0, 256, (48, 64, 3), np.uint8)
    first, again = np.empty((48, 64), np.uint8), np.empty((48, 64), np.uint8)
    segmenter.segment(image, first)
    segmenter.segment(np.zeros((20, 30, 3), np.uint8), np.empty((20, 30), np.uint8))
    segmenter.segment(image, again)
    assert (first == again).all()


def test_what_runs_is_plain_data_for_the_report(make: Make) -> None:
    info = json.loads(json.dumps(asdict(make().info)))
    assert info["providers"]
    assert len(info["sha256"]) == 64


def test_closing_twice_is_once(make: Make) -> None:
    segmenter = make()
    segmenter.close()
    segmenter.close()
    assert segmenter.info.name


def test_a_matte_carries_its_frames_stamp_and_borrows_the_alpha(make: Make) -> None:
    segmenter = make()
    matting = EveryFrame(segmenter)
    matting.warm_up()
    image = np.random.default_rng(5).integers(0, 256, (48, 64, 3), np.uint8)
    alpha, expected = np.empty((48, 64), np.uint8), np.empty((48, 64), np.uint8)
    frame = Frame(image, Stamp(7, 7, Fraction(1, 25), 0, 2))
    matte = matting.matte(frame, alpha)
    segmenter.segment(image, expected)
    assert matte.stamp is frame.stamp
    assert matte.alpha is alpha
    assert (matte.origin, matte.age) == ("inferred", 0)
    assert (alpha == expected).all()
    matting.close()
