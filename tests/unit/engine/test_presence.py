"""What is known of a source: how old its newest frame is."""

from __future__ import annotations

from streamer.engine.presence import Presence
from tests.fakes import FakeClock


def test_the_newest_frame_ages_until_the_next_one_comes() -> None:
    clock = FakeClock()
    presence = Presence("camera 0", clock)
    assert presence.status().frame_age_s is None
    presence.came(clock.now_ns())
    clock.pass_s(1.5)
    assert presence.status().frame_age_s == 1.5
    presence.went("stalled", "no frame came")
    clock.pass_s(1)
    assert presence.status().frame_age_s == 2.5
    presence.came(clock.now_ns())
    assert presence.status().frame_age_s == 0


def test_a_frame_from_a_clock_that_runs_ahead_is_new() -> None:
    clock = FakeClock()
    presence = Presence("camera 0", clock)
    presence.came(clock.now_ns() + 1_000_000)
    assert presence.status().frame_age_s == 0
