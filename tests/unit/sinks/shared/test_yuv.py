"""What encoders are given: BT.709 with limited range."""

from __future__ import annotations

import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from streamer.sinks.shared.yuv import Yuv420

_TO_RGB = np.array([[1.0, 0.0, 1.5748], [1.0, -0.187324, -0.468124], [1.0, 1.8556, 0.0]])
"""From Y, Cb and Cr, as the standard prints them."""


def _planes(frame: VideoFrame) -> list[NDArray[np.float64]]:
    arrays = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        arrays.append(rows[:, : plane.width].astype(np.float64))
    return arrays


@pytest.mark.parametrize("size", [(2, 2), (64, 48), (1282, 14)], ids=str)
def test_pictures_come_back_within_a_rounding(size: tuple[int, int]) -> None:
    width, height = size
    colours = np.random.default_rng(5).integers(0, 256, (height // 2, width // 2, 3), np.uint8)
    picture = colours.repeat(2, axis=0).repeat(2, axis=1)

    luma, blue, red = _planes(Yuv420(width, height).frame(picture))

    scaled = np.dstack([(luma[::2, ::2] - 16) / 219, (blue - 128) / 224, (red - 128) / 224])
    bgr = 255 * (scaled @ _TO_RGB.T)[..., ::-1]
    assert np.abs(bgr - colours).max() < 2.2


def test_grey_stays_grey_and_white_is_white() -> None:
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(2, axis=0).repeat(2, axis=1)

    frame = Yuv420(32, 32).frame(np.dstack([greys] * 3))
    luma, blue, red = _planes(frame)

    assert np.abs(luma - (16 + greys * (219 / 255))).max() < 1
    assert (luma[0, 0], luma[-1, -1]) == (16, 235)
    assert set(np.unique(blue)) == set(np.unique(red)) == {128}
    assert (frame.colorspace, frame.color_range) == (1, 1)


def test_chroma_stands_between_its_four_pixels() -> None:
    picture = np.zeros((2, 4, 3), np.uint8)
    picture[:, :2, 2] = 255
    picture[0, 2, 2] = 255

    _, _, red = _planes(Yuv420(4, 2).frame(picture))

    assert red[0, 0] == 240
    assert red[0, 1] == pytest.approx(128 + 112 / 4, abs=1)


def test_a_frame_is_its_own() -> None:
    converter = Yuv420(16, 16)
    white, black = (np.full((16, 16, 3), level, np.uint8) for level in (255, 0))

    first = converter.frame(white)
    converter.frame(black)

    assert _planes(first)[0].min() == 235
