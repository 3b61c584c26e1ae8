"""A matting that looks ahead holds frames: none is lost, mixed up, or counted twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.config import ReconnectConfig, StandbyConfig
from streamer.engine import Engine, Standby
from streamer.errors import (
    CorruptFrame,
    FormatChanged,
    SegmentError,
    SinkError,
    SourceLost,
    SourceRefused,
    StageFailed,
)
from streamer.frame import StreamInfo
from tests.fakes import FakeMatting, FakeSink, FakeSource
from tests.waiting import wait_for

DELAYS = pytest.mark.parametrize("delay", [0, 1, 5])


def accounted(report: dict) -> bool:
    frames = report["frames"]
    return frames["captured"] == frames["emitted"] + sum(report["drops"].values())


def leased(built: Engine) -> int:
    ring = built.statistics().ring
    assert ring is not None
    return ring.leased


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What a blocked call waits for; set when the test ends."""
    event = threading.Event()
    yield event
    event.set()


@DELAYS
@pytest.mark.parametrize("in_bursts", [False, True])
def test_every_frame_of_a_file_gets_its_own_matte_in_order(delay: int, in_bursts: bool) -> None:
    sink = FakeSink(on_write=lambda frame: time.sleep(0.001))
    built = Engine(FakeSource(60), FakeMatting(delay, in_bursts=in_bursts), [sink], ring_capacity=1)
    report = built.run()
    assert sink.indices == sink.pictures == sink.alphas == list(range(60))
    assert report["frames"]["captured"] == report["frames"]["emitted"] == 60
    assert not any(report["drops"].values())
    assert leased(built) == 0


@DELAYS
def test_a_source_of_fewer_frames_than_are_held_loses_none(delay: int) -> None:
    sink = FakeSink()
    matting = FakeMatting(delay)
    Engine(FakeSource(3), matting, [sink]).run()
    assert sink.indices == [0, 1, 2]
    assert matting.closed


@DELAYS
def test_a_stop_drains_what_is_held(delay: int) -> None:
    sink = FakeSink()
    built = Engine(FakeSource(None), FakeMatting(delay), [sink])
    report = built.run(should_stop=lambda: len(sink.indices) > 20)
    assert sink.indices == list(range(report["frames"]["emitted"]))
    assert report["drops"]["stale"] <= 1, "but for one that was being read"
    assert accounted(report)


@DELAYS
def test_what_a_source_gave_before_it_was_lost_is_worked_off(delay: int) -> None:
    sink = FakeSink()
    built = Engine(FakeSource(events={8: SourceLost("cut off")}), FakeMatting(delay), [sink])
    with pytest.raises(StageFailed, match="cut off"):
        built.run()
    assert sink.indices == list(range(8))


@DELAYS
@pytest.mark.parametrize("size", [(64, 48), (128, 96)])
def test_what_is_held_goes_out_before_a_new_epoch(delay: int, size: tuple[int, int]) -> None:
    change = FormatChanged(StreamInfo("fake", *size, Fraction(25), Fraction(1, 25), live=False))
    sink = FakeSink()
    matting = FakeMatting(delay)
    report = Engine(FakeSource(17, events={9: change}), matting, [sink]).run()
    assert sink.indices == sink.alphas == list(range(17))
    assert sink.epochs == [0] * 9 + [1] * 8
    if delay:
        assert matting.flushed == [list(range(9 - delay, 9)), list(range(17 - delay, 17))]
    assert not any(report["drops"].values())


@DELAYS
@pytest.mark.parametrize("show", ["card", "freeze"])
def test_what_is_held_goes_out_before_what_stands_in(delay: int, show: str) -> None:
    sink = FakeSink()

    def gave_stand_ins() -> None:
        if sum(stamp.standby for stamp in sink.stamps) < 2:
            raise SourceRefused("fake: connection refused")

    back = iter(
        FakeSource(10, live=True, period_s=0.005, on_open=gave_stand_ins) for _ in range(99)
    )
    built = Engine(
        FakeSource(10, live=True, period_s=0.005, events={10: SourceLost("fake: hung up")}),
        FakeMatting(delay),
        [sink],
        fresh=lambda: next(back),
        reconnect=ReconnectConfig(first_s=0.1, max_s=0.1),
        standby=Standby(StandbyConfig.model_validate({"show": show})),
        ring_capacity=20,
        sink_queue=20,
    )
    report = built.run()
    assert sink.indices == sorted(sink.indices)
    assert report["frames"]["standby"] >= 2
    assert report["frames"]["emitted"] == report["frames"]["captured"] > 15
    real = [s.index for s in sink.stamps if not s.standby]
    gap = next(n for n, s in enumerate(sink.stamps) if s.standby)
    assert real[:gap] == list(range(gap)), "the last frames came before the first stand-in"
    if show == "freeze":
        assert sink.alphas[gap] == sink.alphas[gap - 1]
    assert leased(built) == 0


@DELAYS
def test_a_live_ring_never_overwrites_what_is_held(delay: int) -> None:
    sink = FakeSink()
    report = Engine(
        FakeSource(400, live=True, period_s=0.001),
        FakeMatting(delay, on_matte=lambda held: time.sleep(0.01)),
        [sink],
        ring_capacity=1,
    ).run()
    assert report["drops"]["overwritten"] > 100
    assert sink.alphas == sink.pictures
    skimmed = {(p - i) % 251 for p, i in zip(sink.pictures, sink.indices, strict=True)}
    assert len(skimmed) == 1, "each picture is its index's own"
    assert accounted(report)


def test_the_last_frames_of_a_live_stream_do_not_push_each_other_out() -> None:
    ending = threading.Event()
    sink = FakeSink(on_write=lambda frame: time.sleep(0.01 if ending.is_set() else 0))
    matting = FakeMatting(5, on_flush=lambda held: ending.set())
    Engine(FakeSource(12, live=True, period_s=0.02), matting, [sink], sink_queue=1).run()
    (held,) = matting.flushed
    assert len(held) == 5
    assert sink.indices[-5:] == held


@DELAYS
@pytest.mark.parametrize("error", [SegmentError("out of memory"), ZeroDivisionError("a bug")])
@pytest.mark.parametrize("where", ["on_matte", "on_flush"])
def test_a_failed_matte_costs_the_frames_that_are_held(delay: int, error, where: str) -> None:
    calls: list[int] = []

    def fail(held: int) -> None:
        calls.append(held)
        if where == "on_flush" or len(calls) == 9:
            raise error

    sink = FakeSink()
    built = Engine(FakeSource(20), FakeMatting(delay, **{where: fail}), [sink])
    if where == "on_flush" and not delay:
        built.run()
        return
    with pytest.raises(StageFailed, match=str(error)):
        built.run()
    report = built.report()
    assert accounted(report)
    assert sink.alphas == sink.pictures == sink.indices
    if where == "on_flush":
        assert report["drops"]["stale"] == delay
    else:
        assert report["drops"]["stale"] >= delay + 1
    assert leased(built) == 0


@DELAYS
def test_a_failed_sink_costs_what_is_held_once(delay: int) -> None:
    def fail(frame) -> None:
        if frame.stamp.index == 7:
            raise SinkError("disk full")

    matting = FakeMatting(delay)
    built = Engine(FakeSource(None), matting, [FakeSink(on_write=fail)])
    with pytest.raises(StageFailed, match="disk full"):
        built.run()
    assert accounted(built.report())
    assert not matting.flushed
    assert leased(built) == 0


@pytest.mark.parametrize("where", ["on_matte", "on_flush"])
def test_a_matting_that_is_stuck_loses_what_it_holds_once(where: str, release) -> None:
    reached = threading.Event()

    def block(held: int) -> None:
        if held == 5:
            reached.set()
            release.wait()

    sink = FakeSink()
    matting = FakeMatting(5, **{where: block})
    built = Engine(FakeSource(20), matting, [sink], stall_s=0.3)
    report = built.run(should_stop=reached.is_set)
    assert report["error"] is None
    assert built.abandoned == ("matting",)
    assert report["drops"]["stale"] >= 5
    assert accounted(report)
    emitted = list(sink.indices)
    release.set()
    wait_for(lambda: not built.statistics().running)
    assert accounted(built.report()), "the late mattes count nothing again"
    assert sink.indices == emitted
    assert leased(built) == 0


class Wrong(FakeMatting):
    """Breaks a promise at its third frame."""

    def __init__(self, how: str) -> None:
        super().__init__(2)
        self._how = how

    def matte(self, frame, alpha):
        mattes = super().matte(frame, alpha)
        if self._how == "keeps more" and mattes:
            return []
        if self._how == "skips" and mattes:
            return [*self.flush()[1:]]
        if self._how == "repeats":
            return mattes * 2
        return mattes


@pytest.mark.parametrize("how", ["keeps more", "skips", "repeats"])
def test_a_matting_that_breaks_its_promise_ends_the_run(how: str) -> None:
    sink = FakeSink()
    built = Engine(FakeSource(20), Wrong(how), [sink])
    with pytest.raises(StageFailed, match="the matting"):
        built.run()
    assert accounted(built.report())
    assert sink.alphas == sink.pictures == sink.indices


class EverySecond(FakeMatting):
    """Has time for every second frame only."""

    def __init__(self, delay: int) -> None:
        super().__init__(delay)
        self.waited: list[int] = []

    def keeps(self, waiting: int, now_s: float) -> bool:
        self.waited.append(waiting)
        return len(self.waited) % 2 == 1


@DELAYS
def test_frames_that_a_matting_leaves_out_reach_no_sink_and_count_as_thinned(delay: int) -> None:
    sink = FakeSink()
    built = Engine(FakeSource(20), EverySecond(delay), [sink])
    report = built.run()
    assert sink.indices == sink.pictures == sink.alphas == list(range(0, 20, 2))
    assert report["drops"]["thinned"] == 10
    assert accounted(report)
    assert leased(built) == 0


def _waited(*sinks: FakeSink) -> int:
    """How many frames waited at most, with sinks of which the first is slow."""
    matting = EverySecond(0)
    source = FakeSource(60, live=True, period_s=0.005)
    Engine(source, matting, sinks, ring_capacity=3, sink_queue=4).run()
    return max(matting.waited)


def _slow() -> FakeSink:
    return FakeSink(on_write=lambda frame: time.sleep(0.03))


def test_a_matting_is_told_how_many_frames_wait_for_its_sink() -> None:
    assert _waited(_slow()) >= 4


def test_a_sink_that_is_slow_for_itself_does_not_hurry_the_matting() -> None:
    assert _waited(_slow(), FakeSink()) < 4


def test_the_time_in_hand_is_reported_where_there_is_a_delay() -> None:
    period_s = 0.02
    report = Engine(
        FakeSource(20, live=True, period_s=period_s), FakeMatting(5), [FakeSink()]
    ).run()
    latency = report["latency_ms"]
    assert latency["held"]["p50"] >= 0.9 * 5 * period_s * 1000
    assert latency["end_to_end"]["p50"] >= latency["held"]["p50"] * 0.99
    assert latency["infer"]["p50"] < latency["held"]["p50"] / 5
    assert report["matting"] == {"mode": "fake", "delay_frames": 5}
    at_once = Engine(FakeSource(5), FakeMatting(0), [FakeSink()]).run()
    assert "held" not in at_once["latency_ms"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    delay=st.integers(0, 6),
    in_bursts=st.booleans(),
    live=st.booleans(),
    frames=st.integers(0, 40),
    capacity=st.integers(1, 4),
    events=st.dictionaries(
        st.integers(0, 30), st.sampled_from(["corrupt", "smaller", "larger"]), max_size=4
    ),
    end=st.sampled_from(["end", "stop", "abort", "matting", "sink", "source"]),
    at=st.integers(0, 30),
)
def test_whatever_happens_each_frame_is_counted_once(
    delay: int,
    in_bursts: bool,
    live: bool,
    frames: int,
    capacity: int,
    events: dict[int, str],
    end: str,
    at: int,
) -> None:
    def info(width: int, height: int) -> FormatChanged:
        return FormatChanged(
            StreamInfo("fake", width, height, Fraction(25), Fraction(1, 25), live=live)
        )

    kinds = {"corrupt": CorruptFrame("bad"), "smaller": info(32, 24), "larger": info(96, 64)}
    happens = {number: kinds[kind] for number, kind in events.items()}
    if end == "source":
        happens[at] = SourceLost("cut off")
    wanted = threading.Event()

    def on_matte(held: int) -> None:
        matted.append(held)
        if len(matted) > at and end == "matting":
            raise SegmentError("out of memory")
        if len(matted) > at and end in ("stop", "abort"):
            wanted.set()
            if end == "abort":
                built.abort()

    def on_write(frame) -> None:
        if end == "sink" and frame.stamp.index >= at:
            raise SinkError("disk full")

    matted: list[int] = []
    sinks = [FakeSink(on_write=on_write), FakeSink()]
    built = Engine(
        FakeSource(frames, live=live, events=happens),
        FakeMatting(delay, in_bursts=in_bursts, on_matte=on_matte),
        sinks,
        ring_capacity=capacity,
    )
    with suppress(StageFailed):
        built.run(should_stop=wanted.is_set)
    assert accounted(built.report())
    assert leased(built) == 0
    for sink in sinks:
        assert sink.indices == sorted(set(sink.indices))
        assert sink.alphas == sink.pictures
    if end == "end" and not live:
        assert built.report()["drops"]["stale"] == 0
