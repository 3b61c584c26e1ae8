from __future__ import annotations

from fractions import Fraction

from streamer.sources.decoding import Timeline


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
