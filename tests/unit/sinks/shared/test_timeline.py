from __future__ import annotations

from fractions import Fraction

import pytest

from streamer.frame import Stamp
from streamer.sinks.shared.timeline import Timeline

MS = Fraction(1, 1000)


def stamp(pts: int, time_base: Fraction = MS, epoch: int = 0) -> Stamp:
    return Stamp(0, pts, time_base, 0, epoch)


@pytest.mark.parametrize("begin", [0, 7000, -500, 8 * 3_600_000])
def test_it_begins_at_0_and_keeps_the_sources_steps(begin: int):
    timeline = Timeline(MS, Fraction(25))
    given = [begin, begin + 40, begin + 41, begin + 2000]
    assert [timeline.place(stamp(pts)) for pts in given] == [0, 40, 41, 2000]
    assert timeline.seconds == 2.04


def test_what_goes_with_the_frames_is_moved_by_the_same_amount():
    timeline = Timeline(MS, Fraction(25))
    assert timeline.moved(0, MS) is None
    timeline.place(stamp(7000))
    assert timeline.moved(7000 * 48 + 24, MS / 48) == 24
    assert timeline.moved(6999, MS) is None


def test_an_epoch_that_begins_anew_follows_one_frame_later():
    timeline = Timeline(MS, Fraction(25))
    placed = [timeline.place(stamp(pts)) for pts in (1000, 1040)]
    placed += [timeline.place(stamp(pts, epoch=1)) for pts in (0, 33, 70)]
    assert placed == [0, 40, 80, 113, 150]


def test_an_epoch_that_goes_on_later_keeps_its_timestamps():
    timeline = Timeline(MS, Fraction(25))
    assert [timeline.place(stamp(0)), timeline.place(stamp(5000, epoch=1))] == [0, 5000]


def test_another_time_base_is_converted():
    timeline = Timeline(MS, Fraction(25))
    timeline.place(stamp(0))
    assert timeline.place(stamp(90_000, Fraction(1, 90_000), epoch=1)) == 1000


def test_without_a_rate_a_frame_is_as_long_as_the_one_before():
    timeline = Timeline(MS, None)
    assert timeline.step == 40
    for pts in (0, 100):
        timeline.place(stamp(pts))
    assert timeline.place(stamp(0, epoch=1)) == 200


def test_without_a_rate_an_hour_without_frames_is_no_frames_length():
    timeline = Timeline(MS, None)
    for pts in (0, 100, 3_600_100):
        timeline.place(stamp(pts))
    assert timeline.step == 100
    assert timeline.seconds == 3600.2
