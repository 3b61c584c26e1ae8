from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from streamer.sources.decoding import Timeline
from streamer.sources.upright import Upright


def timeline() -> Timeline:
    return Timeline(Fraction(1, 1000), Fraction(25))


def placed(*pts: int | None) -> list[int]:
    line = timeline()
    return [line.place(p) for p in pts]


def test_growing_timestamps_are_left_alone():
    assert placed(7, 40, 41, 9000) == [7, 40, 41, 9000]


def test_a_missing_timestamp_is_one_frame_on():
    assert placed(0, None, None, 120) == [0, 40, 80, 120]


def test_a_late_timestamp_comes_right_after_its_predecessor():
    assert placed(100, 100, 60, 140) == [100, 101, 102, 140]


def test_after_a_clock_set_back_the_rest_goes_on():
    assert placed(90_000, 90_040, 0, 40, 80) == [90_000, 90_040, 90_080, 90_120, 90_160]


@pytest.mark.parametrize(("colour_range", "white"), [(1, 235), (2, 255)])
def test_the_range_of_the_frame_decides_what_white_is(colour_range, white):
    frame = av.VideoFrame(16, 16, "yuv420p")
    for plane, level in zip(frame.planes, (white, 128, 128), strict=True):
        plane.update(bytes([level]) * plane.buffer_size)
    frame.color_range = colour_range
    out = np.zeros((16, 16, 3), np.uint8)
    Upright("clip").write(frame, out)
    assert out.min() >= 253


def test_rows_with_padding_are_read_straight():
    picture = np.random.default_rng(0).integers(0, 255, (10, 13, 3), dtype=np.uint8)
    out = np.zeros_like(picture)
    Upright("clip").write(av.VideoFrame.from_ndarray(picture, format="bgr24"), out)
    np.testing.assert_array_equal(out, picture)
