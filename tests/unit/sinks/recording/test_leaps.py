from __future__ import annotations

from fractions import Fraction

import pytest

from streamer.packets import AudioPacket
from streamer.sinks.recording.leaps import Leaps


def passed(times_ms: list[int]) -> list[int]:
    """Where packets end up that come at *times_ms*."""
    leaps = Leaps(Fraction(1, 1000))
    ready = [p for ms in times_ms for p in leaps.feed(AudioPacket(b"%d" % ms, ms))]
    ready += leaps.finish()
    return [packet.pts for packet in ready]


@pytest.mark.parametrize(
    "times",
    [
        [],
        [5000],
        [0, 20, 40, 60],
        [0, 50, 40, 90, 80],
        [0, 20, 40, 1040, 1060],
        [0, 20, 400, 800, 1200, 1600, 1620],
        [1000, 1020, 1040, 500, 520, 540, 560],
    ],
    ids=["none", "one", "steady", "jitter", "a gap", "sparse", "an overlap"],
)
def test_times_that_go_together_stay_as_they_are(times: list[int]):
    assert passed(times) == times


@pytest.mark.parametrize("wrong", [-10_000, 10_000, 800])
def test_one_that_stands_alone_goes_where_the_others_leave_off(wrong: int):
    assert passed([0, 20, wrong, 60, 80]) == [0, 20, 40, 60, 80]
    assert passed([0, 20, 40, wrong]) == [0, 20, 40, 60]


def test_a_first_one_that_comes_after_the_second_is_left_out():
    assert passed([10_000, 20, 40, 60]) == [20, 40, 60]
