from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.frame import Stamp
from streamer.sinks.shared.cadence import Cadence

MS = Fraction(1, 1000)


def ticks(cadence: Cadence, times: list[int], time_base: Fraction = MS) -> list[int]:
    return [cadence.ticks(Stamp(0, pts, time_base, 0, 0)) for pts in times]


def test_a_picture_stands_until_the_next_one_comes():
    assert ticks(Cadence(Fraction(25), 60, MS), [0, 40, 160, 200]) == [1, 1, 3, 1]


def test_what_comes_faster_than_the_rate_is_left_out():
    given_ms = [0, 10, 20, 40, 50, 60, 80]
    assert sum(ticks(Cadence(Fraction(25), 60, MS), given_ms)) == 3


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30000, 1001), Fraction(60), Fraction(25)])
def test_a_steady_source_whose_times_are_rounded_is_neither_repeated_nor_left_out(fps: Fraction):
    times = [round(n / fps / MS) for n in range(1000)]
    assert ticks(Cadence(fps, 60, MS), times) == [1] * 1000


@pytest.mark.parametrize("begin", [0, 8 * 3_600_000, -500])
def test_it_begins_with_the_first_picture_whatever_the_clock_says(begin: int):
    assert ticks(Cadence(Fraction(25), 60, MS), [begin, begin + 80]) == [1, 2]


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=60))
def test_any_pace_is_in_step_within_half_a_tick(steps: list[int]):
    times = [0]
    for step in steps:
        times.append(times[-1] + step)
    cadence = Cadence(Fraction(25), 60, MS)
    written = 0
    for at in times:
        written += cadence.ticks(Stamp(0, at, MS, 0, 0))
        assert abs((written - 1) * 40 - at) <= 20


def test_a_long_gap_is_cut_and_what_follows_goes_on_in_step():
    cadence = Cadence(Fraction(25), 10, MS)
    assert ticks(cadence, [0, 3_600_000, 3_600_040, 3_600_200]) == [1, 250, 1, 4]
    assert cadence.lost == 90_000 - 250


def test_ticks_that_were_lost_are_not_made_up_for():
    cadence = Cadence(Fraction(25), 60, MS)
    ticks(cadence, [0, 400])
    cadence.lose(4)
    assert ticks(cadence, [440, 480]) == [1, 1]


def test_a_clock_that_begins_anew_goes_on_one_tick_later():
    assert ticks(Cadence(Fraction(25), 60, MS), [5000, 5040, 0, 40]) == [1, 1, 1, 1]
