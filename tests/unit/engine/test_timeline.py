"""One timeline for the whole run: it grows, and keeps the time that really passed."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamer.engine.timeline import RunTimeline
from streamer.frame import Grab

MS = Fraction(1, 1000)
S = 1_000_000_000


def line() -> RunTimeline:
    timeline = RunTimeline()
    timeline.connect(MS)
    return timeline


def placed(timeline: RunTimeline, *grabs: tuple[int, float], time_base: Fraction = MS) -> list[int]:
    """Where frames of these timestamps go that were captured at these seconds."""
    return [timeline.place(Grab(pts, time_base, int(at * S))) for pts, at in grabs]


def test_the_first_connections_timestamps_are_left_as_they_are() -> None:
    assert placed(line(), (7000, 1.0), (7040, 1.1), (7080, 1.1)) == [7000, 7040, 7080]


def test_between_connections_as_much_passes_as_on_the_wall_clock() -> None:
    timeline = line()
    placed(timeline, (7000, 1.0), (7040, 1.04))
    timeline.connect(MS)
    assert placed(timeline, (90, 4.04), (130, 4.1)) == [10_040, 10_080]


def test_another_time_base_is_told_in_the_first_ones_units() -> None:
    timeline = line()
    placed(timeline, (0, 1.0))
    timeline.connect(Fraction(1, 90_000))
    assert placed(timeline, (9, 2.0), (9009, 2.1), time_base=Fraction(1, 90_000)) == [1000, 1100]
    assert timeline.time_base == MS


def test_frames_that_stand_in_take_their_time_from_the_clock_and_the_next_goes_on() -> None:
    timeline = line()
    placed(timeline, (500, 1.0))
    assert [timeline.stand_in(int(at * S)) for at in (1.2, 1.4)] == [700, 900]
    timeline.connect(MS)
    assert placed(timeline, (0, 1.5), (40, 1.5)) == [1000, 1040]


def test_a_leap_ahead_within_a_connection_is_set_to_the_wall_clock() -> None:
    assert placed(line(), (0, 1.0), (40, 1.04), (60_000, 1.08), (60_040, 1.12)) == [0, 40, 80, 120]


def test_a_leap_back_within_a_connection_is_set_to_the_wall_clock() -> None:
    assert placed(line(), (60_000, 1.0), (60_040, 1.04), (0, 1.08), (40, 1.12)) == [
        60_000,
        60_040,
        60_080,
        60_120,
    ]


def test_a_burst_that_was_held_up_on_its_way_keeps_its_own_times() -> None:
    assert placed(line(), (0, 1.0), (40, 6.0), (80, 6.0), (5040, 6.1)) == [0, 40, 80, 5040]


def test_a_clock_that_drifts_for_days_makes_no_leap() -> None:
    grabs = [(hour * 3_601_000, hour * 3600.0) for hour in range(48)]
    steps = [later - sooner for sooner, later in pairwise(placed(line(), *grabs))]
    assert all(3_600_000 <= step <= 3_601_000 for step in steps)


def test_delays_before_each_loss_do_not_add_up() -> None:
    timeline, at = line(), 1.0
    (first,) = placed(timeline, (0, at))
    for _ in range(100):
        # The last frame of each connection is held up for a second.
        placed(timeline, (1000, at + 1), (1040, at + 2.04))
        at += 5
        timeline.connect(MS)
        (last,) = placed(timeline, (0, at))
    assert abs((last - first) - (at - 1.0) * 1000) < 1000


def test_the_offset_is_what_other_tracks_of_the_connection_are_shifted_by() -> None:
    timeline = line()
    placed(timeline, (500, 1.0))
    assert timeline.offset_s() == 0
    timeline.connect(MS)
    assert timeline.offset_s() is None
    (pts,) = placed(timeline, (100, 3.0))
    offset_s = timeline.offset_s()
    assert offset_s is not None
    assert Fraction(100, 1000) + offset_s == pts * MS == Fraction(5, 2)


@given(
    st.lists(
        st.tuples(
            st.integers(-(2**40), 2**40), st.floats(0, 20), st.sampled_from(["frame", "lost", "in"])
        ),
        max_size=40,
    )
)
def test_it_grows_whatever_comes(events) -> None:
    timeline, at, seen = line(), 1.0, []
    for pts, passed_s, kind in events:
        at += passed_s
        if kind == "lost":
            timeline.connect(MS)
        elif kind == "in":
            seen.append(timeline.stand_in(int(at * S)))
        else:
            seen += placed(timeline, (pts, at))
    assert seen == sorted(set(seen))
