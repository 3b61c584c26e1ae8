"""Each frame on its own, and what a recurrent model is told."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from streamer.frame import Frame, Stamp
from streamer.matting import EveryFrame
from streamer.matting.cuts import CutFinder
from tests.fakes import FakeSegmenter


def frame(image: np.ndarray, index: int, epoch: int = 0) -> Frame:
    return Frame(image, Stamp(index, index, Fraction(1, 25), 0, epoch))


def matte_all(matting: EveryFrame, frames: list[Frame]) -> None:
    for each in frames:
        matting.matte(each, np.empty(each.image.shape[:2], np.uint8))


@pytest.fixture(scope="module")
def scenes(photographs) -> list[np.ndarray]:
    """Photographs, all of the same size."""
    return [cv2.resize(picture, (640, 360)) for picture in photographs.values()]


def test_a_recurrent_model_begins_anew_at_each_epoch(scenes) -> None:
    segmenter = FakeSegmenter(recurrent=True)
    matting = EveryFrame(segmenter)
    matte_all(matting, [frame(scenes[0], index) for index in range(3)])
    assert segmenter.resets == 1
    matte_all(matting, [frame(scenes[0], 3, epoch=1), frame(scenes[0], 4, epoch=1)])
    assert segmenter.resets == 2


def test_a_recurrent_model_begins_anew_after_a_cut_and_only_there(scenes) -> None:
    segmenter = FakeSegmenter(recurrent=True)
    matting = EveryFrame(segmenter)
    seen = []
    for index, scene in enumerate([scenes[0]] * 3 + [scenes[1]] * 3 + [scenes[2]] * 3):
        matte_all(matting, [frame(scene, index)])
        seen.append(segmenter.resets)
    assert seen == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_a_model_that_looks_at_each_picture_alone_is_told_nothing(scenes) -> None:
    segmenter = FakeSegmenter()
    matte_all(EveryFrame(segmenter), [frame(scenes[0], 0), frame(scenes[1], 1, epoch=1)])
    assert segmenter.resets == 0


def test_frames_may_change_their_size_with_the_epoch(scenes) -> None:
    segmenter = FakeSegmenter(recurrent=True)
    small = cv2.resize(scenes[0], (320, 180))
    matte_all(EveryFrame(segmenter), [frame(scenes[0], 0), frame(small, 1, epoch=1)])
    assert segmenter.resets == 2


def test_what_moves_within_a_scene_is_no_cut(clip) -> None:
    capture = cv2.VideoCapture(str(clip))
    finder = CutFinder(720, 1280)
    cuts = []
    for index in range(60):
        _, image = capture.read()
        if finder.is_cut(image):
            cuts.append(index)
    capture.release()
    assert cuts == []


def test_a_subject_that_crosses_the_picture_and_a_lamp_that_dims_are_no_cuts(scenes) -> None:
    finder = CutFinder(360, 640)
    for step in range(40):
        image = cv2.convertScaleAbs(scenes[2], alpha=1 - step / 80)
        cv2.circle(image, (step * 16, 180), 100, (30, 60, 200), cv2.FILLED)
        assert not finder.is_cut(image)
