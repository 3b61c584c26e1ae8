"""The counts of a stream's runs, added up."""

from __future__ import annotations

from streamer.core.metrics import MatteAges
from streamer.engine import SourceStatus, Statistics, Status
from streamer.host.status import EarlierRuns
from streamer.protocols import ModelUse

S = 1_000_000_000


def run(
    *, wall_s: float, reconnects: int, age_s: float | None, use: ModelUse | None = None
) -> Status:
    """How a run is or was."""
    source = SourceStatus("live", reconnects, 2.0 * reconnects, age_s)
    return Status(
        stream="door",
        source="camera 0",
        info=None,
        counts=Statistics({}, {}, source, None, running=True, paused=False, speed=1.0),
        latency_ms={},
        matte_age=MatteAges(0.0, 0),
        wall_s=wall_s,
        cpu_s=wall_s / 2,
        model=None,
        matting={},
        rss_peak_mb=None,
        sinks=(),
        error=None,
        use=use,
    )


def test_the_first_run_is_as_it_says() -> None:
    only = run(wall_s=3, reconnects=1, age_s=0.5, use=ModelUse(7, 0.7))
    assert EarlierRuns().added_to(only, 0) == only


def test_runs_add_up() -> None:
    earlier = EarlierRuns()
    for _ in range(2):
        earlier = earlier.and_run(run(wall_s=3, reconnects=2, age_s=1, use=ModelUse(5, 0.5)), 9 * S)
    whole = earlier.added_to(run(wall_s=1, reconnects=1, age_s=1, use=ModelUse(1, 0.25)), 10 * S)
    assert (whole.wall_s, whole.cpu_s) == (7, 3.5)
    assert (whole.counts.source.reconnects, whole.counts.source.away_s) == (5, 10)
    assert whole.use == ModelUse(11, 1.25)


def test_the_newest_frame_may_be_of_an_earlier_run() -> None:
    earlier = EarlierRuns().and_run(run(wall_s=3, reconnects=0, age_s=4), 10 * S)
    earlier = earlier.and_run(run(wall_s=1, reconnects=0, age_s=None), 12 * S)
    none_yet = earlier.added_to(run(wall_s=1, reconnects=0, age_s=None), 15 * S)
    assert none_yet.counts.source.frame_age_s == 9
    fresh = earlier.added_to(run(wall_s=1, reconnects=0, age_s=0.25), 15 * S)
    assert fresh.counts.source.frame_age_s == 0.25


def test_a_run_without_a_model_takes_no_use_away() -> None:
    earlier = EarlierRuns().and_run(run(wall_s=1, reconnects=0, age_s=1, use=ModelUse(5, 0.5)), 0)
    earlier = earlier.and_run(run(wall_s=1, reconnects=0, age_s=1), 0)
    assert earlier.use == ModelUse(5, 0.5)
