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


def test_what_goes_with_the_frames_is_moved_by_the_offset_of_its_own_clock():
    line = timeline()
    for pts in (999_960, 1_000_000, 0):
        line.place(pts)
    assert line.offset_of(Fraction(999_990)) == 0
    assert line.offset_of(Fraction(-20)) == line.offset_of(Fraction(50)) == 1_000_040
    for pts in (40, 5000, 0):
        line.place(pts)
    assert line.offset_of(Fraction(4990)) == 1_000_040
    assert line.offset_of(Fraction(10)) == 1_005_080
