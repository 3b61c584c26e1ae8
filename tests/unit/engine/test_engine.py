"""The pipeline's promises: nothing lost, everything counted, the first failure wins, no thread."""

from __future__ import annotations

import copy
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from streamer.engine import Engine
from streamer.errors import (
    CorruptFrame,
    FormatChanged,
    SegmentError,
    SinkError,
    SinkStuck,
    SourceError,
    SourceTimeout,
    StageFailed,
    StopRequested,
)
from streamer.frame import StreamInfo
from streamer.matting import EveryFrame
from tests.fakes import FakeClock, FakeMatting, FakeSegmenter, FakeSink, FakeSource, FakeWindow

PATIENCE_S = 20


def pipeline(source=None, segmenter=None, sinks=None, **options) -> Engine:
    return Engine(
        source or FakeSource(),
        EveryFrame(segmenter or FakeSegmenter()),
        sinks if sinks is not None else [FakeSink()],
        **options,
    )


def accounted(report: dict) -> bool:
    frames = report["frames"]
    return frames["captured"] == frames["emitted"] + sum(report["drops"].values())


def raiser(error: BaseException, at: int = 0):
    """A callable that raises at its call of that number."""
    calls = iter(range(1_000_000))

    def call(*_: object) -> None:
        if next(calls) == at:
            raise error

    return call


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What a blocked call waits for; set when the test ends."""
    event = threading.Event()
    yield event
    event.set()


def test_every_frame_of_a_file_reaches_every_sink_in_order() -> None:
    quick, slow = FakeSink(), FakeSink("slow", on_write=lambda frame: time.sleep(0.005))
    report = pipeline(FakeSource(60), sinks=[quick, slow]).run()
    assert quick.indices == slow.indices == list(range(60))
    assert report["frames"]["captured"] == report["frames"]["emitted"] == 60
    assert not any(report["drops"].values())


def test_a_matte_belongs_to_its_own_frame() -> None:
    sink = FakeSink(on_write=lambda frame: time.sleep(0.001))
    pipeline(FakeSource(100), sinks=[sink]).run()
    assert sink.pictures == sink.alphas == [number % 251 for number in range(100)]


def test_a_live_source_with_a_slow_model_drops_and_counts_every_drop() -> None:
    sink = FakeSink()
    capacity = 3
    report = pipeline(
        FakeSource(1000, live=True, period_s=0.004),
        FakeSegmenter(lambda image: time.sleep(0.05)),
        [sink],
        ring_capacity=capacity,
    ).run()
    assert report["drops"]["overwritten"] > 500
    assert accounted(report)
    assert len(sink.indices) == report["frames"]["emitted"]
    assert sink.indices == sorted(sink.indices)
    model_ms = report["latency_ms"]["infer"]["p95"]
    assert report["latency_ms"]["end_to_end"]["p95"] <= capacity * model_ms


def test_a_slow_sink_of_a_live_stream_holds_up_no_other() -> None:
    quick, slow = FakeSink(), FakeSink("slow", on_write=lambda frame: time.sleep(0.05))
    report = pipeline(FakeSource(60, live=True, period_s=0.003), sinks=[quick, slow]).run()
    assert len(quick.indices) > 50
    assert len(slow.indices) < 20
    assert accounted(report)
    assert report["sinks"][1]["dropped"] > 30
    assert report["drops"]["sink_full"] == 0, "the other sink took those frames"


def test_frames_that_no_sink_took_are_dropped_as_sink_full() -> None:
    slow = FakeSink("slow", on_write=lambda frame: time.sleep(0.05))
    report = pipeline(FakeSource(60, live=True, period_s=0.003), sinks=[slow]).run()
    assert report["drops"]["sink_full"] > 20
    assert accounted(report)


def test_a_frame_that_does_not_decode_is_counted_and_leaves_a_gap() -> None:
    sink = FakeSink()
    report = pipeline(FakeSource(5, events={2: CorruptFrame("frame 2: bad")}), sinks=[sink]).run()
    assert sink.indices == [0, 1, 3, 4, 5]
    assert report["drops"]["decode_error"] == 1
    assert accounted(report)


def test_a_change_of_size_starts_an_epoch() -> None:
    class Growing(FakeSource):
        def read(self, out):
            grab = super().read(out)
            assert out.shape == ((48, 64, 3) if grab.pts < 3 else (96, 128, 3))
            return grab

    info = StreamInfo("fake", 128, 96, Fraction(25), Fraction(1, 25), live=False)
    sink = FakeSink()
    pipeline(Growing(6, events={3: FormatChanged(info)}), sinks=[sink]).run()
    assert sink.epochs == [0, 0, 0, 1, 1, 1]


def test_a_paced_source_is_delivered_at_the_pace_of_its_timestamps() -> None:
    class Paced(FakeSource):
        def open(self):
            fps = Fraction(25)
            return StreamInfo("fake", 64, 48, fps, 1 / fps, live=True, paced=True)

    clock = FakeClock()
    report = pipeline(Paced(10), clock=clock).run()
    assert sum(clock.waits) == pytest.approx(10 / 25), "the last one has its time too"
    assert report["frames"]["captured"] == 10
    info = replace(Paced().open(), width=32)
    clock, resized = FakeClock(), Paced(10, events={n: FormatChanged(info) for n in range(2, 9)})
    pipeline(resized, clock=clock).run()
    assert sum(clock.waits) == pytest.approx(10 / 25), "pictures of other sizes are no faster"


@pytest.mark.parametrize(
    ("stage", "parts"),
    [
        ("capture", {"source": FakeSource(on_open=raiser(SourceError("no camera")))}),
        ("capture", {"source": FakeSource(on_read=raiser(SourceTimeout("mute"), at=3))}),
        ("matting", {"segmenter": FakeSegmenter(raiser(SegmentError("out of memory"), at=2))}),
        ("matting", {"segmenter": FakeSegmenter(raiser(ZeroDivisionError("a bug"), at=2))}),
        ("sinks[0] fake", {"sinks": [FakeSink(on_open=raiser(SinkError("no folder")))]}),
        ("sinks[0] fake", {"sinks": [FakeSink(on_write=raiser(SinkError("disk full"), at=2))]}),
        ("sinks[0] fake", {"sinks": [FakeSink(on_close=raiser(SinkError("disk full")))]}),
    ],
)
def test_a_failure_anywhere_ends_everything_and_is_raised_with_its_stage(stage, parts) -> None:
    built = pipeline(
        parts.get("source", FakeSource(1000)), parts.get("segmenter"), parts.get("sinks")
    )
    with pytest.raises(StageFailed) as failure:
        built.run()
    assert failure.value.stage == stage
    assert failure.value.exit_code == getattr(failure.value.__cause__, "exit_code", 1)
    assert built.report()["error"].startswith(stage)
    assert accounted(built.report())


def test_a_failing_sink_does_not_cost_the_other_its_end() -> None:
    good = FakeSink("good")
    bad = FakeSink("bad", on_write=raiser(SinkError("disk full"), at=5))
    with pytest.raises(StageFailed, match="disk full"):
        pipeline(FakeSource(1000), sinks=[bad, good]).run()
    assert good.closed == bad.closed == 1
    assert len(good.indices) >= 5


def test_what_a_source_gave_before_it_was_lost_is_worked_off() -> None:
    sink = FakeSink(on_write=lambda frame: time.sleep(0.005))
    built = pipeline(FakeSource(on_read=raiser(SourceError("cut off"), at=8)), sinks=[sink])
    with pytest.raises(StageFailed, match="cut off"):
        built.run()
    assert sink.indices == list(range(8))


def test_a_source_error_during_a_stop_is_no_failure() -> None:
    stopped = threading.Event()

    def lose(number: int) -> None:
        if number == 5:
            stopped.set()
            time.sleep(0.1)
            raise SourceError("the connection was closed")

    report = pipeline(FakeSource(on_read=lose)).run(should_stop=stopped.is_set)
    assert report["error"] is None


def test_the_first_failure_wins() -> None:
    late = FakeSink("late", on_close=raiser(SinkError("second")))
    with pytest.raises(StageFailed, match="first"):
        pipeline(FakeSource(on_read=raiser(SourceError("first"), at=2)), sinks=[late]).run()


def test_a_sink_that_blocks_for_ever_is_given_up_and_the_other_is_finished(release) -> None:
    stuck = FakeSink("stuck", on_write=lambda frame: release.wait())
    good = FakeSink("good")
    built = pipeline(FakeSource(1000), sinks=[stuck, good], stall_s=0.3)
    started = time.monotonic()
    with pytest.raises(StageFailed, match="has not returned") as failure:
        built.run()
    assert time.monotonic() - started < 5
    assert isinstance(failure.value.__cause__, SinkStuck)
    assert built.abandoned == ("sinks[0] stuck",)
    assert good.closed == 1
    assert accounted(built.report())


class GettingOn(FakeSink):
    """One call of it takes three times `stall_s`, and says all the while that it gets on."""

    def __init__(self, stall_s: float) -> None:
        self.asked = threading.Event()
        super().__init__("slow", on_write=lambda frame: self.asked.wait(PATIENCE_S))
        self._until_s = time.monotonic() + 3 * stall_s

    @property
    def progress_ns(self) -> int:
        if time.monotonic() > self._until_s:
            self.asked.set()
        return time.monotonic_ns()


def test_a_sink_whose_call_takes_long_while_it_gets_on_is_not_given_up() -> None:
    slow = GettingOn(0.3)
    built = pipeline(FakeSource(3), sinks=[slow], stall_s=0.3)
    built.run()
    assert slow.asked.is_set()
    assert built.abandoned == ()
    assert len(slow.indices) == 3


def test_a_source_that_is_stuck_in_its_driver_does_not_hold_up_a_stop(release) -> None:
    reached = threading.Event()

    def block(number: int) -> None:
        reached.set()
        release.wait()

    built = pipeline(FakeSource(on_read=block), stall_s=0.3)
    assert built.run(should_stop=reached.is_set)["error"] is None
    assert built.abandoned == ("capture",)


def test_a_connection_that_is_stuck_is_abandoned_for_as_long_as_it_is(release) -> None:
    reached = threading.Event()

    def block(number: int) -> None:
        reached.set()
        release.wait()

    built = pipeline(FakeSource(live=True, on_read=block), fresh=FakeSource)
    started = time.monotonic()
    assert built.run(should_stop=reached.is_set)["error"] is None
    assert time.monotonic() - started < 10
    assert built.abandoned == ("capture-1",)
    release.set()
    while built.abandoned:
        assert time.monotonic() - started < 10
        time.sleep(0.01)


def test_an_inference_that_takes_too_long_does_not_hold_up_a_stop(release) -> None:
    reached = threading.Event()

    def block(image) -> None:
        reached.set()
        release.wait()

    sink = FakeSink()
    built = pipeline(FakeSource(None), FakeSegmenter(block), [sink], stall_s=0.3)
    report = built.run(should_stop=reached.is_set)
    assert report["error"] is None
    assert accounted(report)
    assert built.abandoned == ("matting",)
    assert sink.closed == 1
    release.set()
    for _ in range(100):
        if not built.statistics().running:
            break
        time.sleep(0.01)
    assert accounted(built.report()), "the late answer counts nothing again"
    assert sink.indices == []


@pytest.mark.parametrize("where", ["on_open", "on_write", "on_pump", "on_close"])
def test_any_failure_of_a_window_is_the_failure_of_its_stage(where) -> None:
    window, recorder = FakeWindow(**{where: raiser(RuntimeError("a bug"))}), FakeSink()
    with pytest.raises(StageFailed, match="a bug") as failure:
        pipeline(FakeSource(30, live=True, period_s=0.02), sinks=[window, recorder]).run()
    assert failure.value.stage == "sinks[0] window"
    assert window.closed == window.opened
    assert recorder.closed == recorder.opened


def test_a_paused_window_does_not_hide_that_the_source_is_lost() -> None:
    window = FakeWindow(on_write=lambda frame: setattr(window, "paused", True))
    source = FakeSource(on_read=raiser(SourceError("cut off"), at=4))
    with pytest.raises(StageFailed, match="cut off"):
        pipeline(source, sinks=[window]).run()


def test_a_failure_that_was_caught_is_not_raised_again_on_leaving() -> None:
    with pipeline(FakeSource(on_read=raiser(SourceError("gone")))) as built, suppress(StageFailed):
        built.run()
    assert built.report()["error"] == "capture: gone"


def test_a_stop_while_the_source_still_connects_is_a_stop_and_no_failure(release) -> None:
    reached = threading.Event()

    def block() -> None:
        reached.set()
        release.wait()

    built = pipeline(FakeSource(on_open=block))
    started = time.monotonic()
    report = built.run(should_stop=reached.is_set)
    assert time.monotonic() - started < 5
    assert report["error"] is None
    assert report["wall_s"] >= 0
    assert built.abandoned == ("capture",)


def test_a_stop_drains_what_was_captured() -> None:
    sink = FakeSink()
    built = pipeline(FakeSource(None), sinks=[sink])
    report = built.run(should_stop=lambda: len(sink.indices) > 20)
    assert sink.indices == list(range(report["frames"]["emitted"]))
    assert accounted(report)
    assert sink.closed == 1


def test_a_requested_stop_ends_a_run() -> None:
    sink = FakeSink()
    built = pipeline(FakeSource(None), sinks=[sink])
    threading.Timer(0.1, built.request_stop).start()
    assert accounted(built.run())


def test_a_stop_before_the_first_frame_ends_cleanly() -> None:
    built = pipeline(FakeSource(None))
    assert built.run(should_stop=lambda: True)["error"] is None


def test_leaving_the_block_stops_and_joins() -> None:
    sink = FakeSink()
    with pipeline(FakeSource(None), sinks=[sink]) as built:
        built.start()
        while len(sink.indices) < 10:
            time.sleep(0.001)
        assert built.statistics().running
    assert not built.statistics().running
    assert sink.closed == 1


def test_an_exception_in_the_block_aborts_and_is_not_hidden() -> None:
    def fail_in_the_block() -> None:
        with pipeline(FakeSource(None)) as built:
            built.start()
            raise KeyError

    with pytest.raises(KeyError):
        fail_in_the_block()


def test_keyboard_interrupt_in_run_finishes_the_sinks() -> None:
    sink = FakeSink()
    with pytest.raises(KeyboardInterrupt):
        pipeline(FakeSource(None), sinks=[sink]).run(should_stop=raiser(KeyboardInterrupt(), at=9))
    assert sink.closed == 1


def test_parts_are_closed_whatever_happens() -> None:
    source, segmenter = FakeSource(), FakeSegmenter(raiser(SegmentError("bad")))
    with pytest.raises(StageFailed):
        pipeline(source, segmenter).run()
    assert source.closed
    assert segmenter.closed


def test_a_window_is_served_by_the_main_thread_beside_a_recorder() -> None:
    window, recorder = FakeWindow(), FakeSink()
    pipeline(FakeSource(30), sinks=[window, recorder]).run()
    assert window.threads == {threading.current_thread().name}
    assert window.indices == recorder.indices == list(range(30))
    assert window.closed == 1


def test_closing_the_window_ends_the_stream() -> None:
    window = FakeWindow(on_write=raiser(StopRequested(), at=5))
    recorder = FakeSink()
    report = pipeline(FakeSource(None), sinks=[window, recorder]).run()
    assert accounted(report)
    assert recorder.closed == window.closed == 1


def test_a_paused_window_holds_a_file_and_its_recording() -> None:
    recorder = FakeSink()
    seen_while_paused: list[int] = []

    def pump() -> None:
        if window.paused:
            seen_while_paused.append(len(recorder.indices))
            if len(seen_while_paused) > 20:
                window.paused = False

    def write(frame) -> None:
        if frame.stamp.index == 5:
            window.paused = True

    window = FakeWindow(on_pump=pump, on_write=write)
    pipeline(FakeSource(40), sinks=[window, recorder]).run()
    assert seen_while_paused[-1] == seen_while_paused[-5] < 20
    assert recorder.indices == window.indices == list(range(40))


def test_a_paused_window_does_not_hold_a_live_stream() -> None:
    recorder = FakeSink()
    window = FakeWindow(on_write=lambda frame: setattr(window, "paused", True))
    pipeline(FakeSource(60, live=True, period_s=0.003), sinks=[window, recorder]).run()
    assert len(recorder.indices) > 50
    assert len(window.indices) < 5


def test_a_window_needs_run() -> None:
    with pytest.raises(RuntimeError, match="run\\(\\)"):
        pipeline(sinks=[FakeWindow()]).start()


def test_nothing_of_a_frames_size_is_allocated_after_the_first_frames() -> None:
    import tracemalloc

    peaks: list[int] = []

    def measure(frame) -> None:
        if frame.stamp.index == 20:
            tracemalloc.start()
        if frame.stamp.index == 60:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

    pipeline(FakeSource(80, size=(640, 360)), sinks=[FakeSink(on_write=measure)]).run()
    assert peaks[0] < 640 * 360


class EarlyFake(FakeSink):
    """Wants something before the source is open."""

    def __init__(self, on_prepare: Callable[[], Any]) -> None:
        super().__init__("early")
        self.prepare = on_prepare


def test_a_sink_may_prepare_before_the_source_is_open() -> None:
    prepared = threading.Event()
    sink = EarlyFake(prepared.set)
    pipeline(FakeSource(3, on_open=lambda: prepared.wait(10)), sinks=[sink]).run()
    assert prepared.is_set()
    assert len(sink.indices) == 3
    assert sink.closed == 1


def test_a_sink_that_cannot_prepare_ends_the_run_before_the_source_came(release) -> None:
    def refuse() -> None:
        raise SinkError("early: the port is taken")

    sink = EarlyFake(refuse)
    running = pipeline(FakeSource(3, on_open=lambda: release.wait(30)), sinks=[sink])
    with pytest.raises(StageFailed, match="the port is taken"):
        running.run()
    assert sink.closed == 1
    assert sink.opened == 0


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_pipeline_cannot_be_copied(duplicate) -> None:
    with pytest.raises(TypeError, match="Engine: cannot be copied or pickled"):
        duplicate(pipeline())


def test_one_that_is_stopped_long_before_it_starts_ends_in_order() -> None:
    class Slow(FakeMatting):
        def warm_up(self) -> None:
            assert not threading.Event().wait(0.1)

    sink = FakeSink()
    running = Engine(FakeSource(), Slow(), [sink])
    running.stop()
    assert running._stopped_at is not None
    running._stopped_at -= 60
    assert running.run()["frames"]["captured"] == 0
    assert running.abandoned == ()


def test_one_that_never_starts_gives_its_model_back_all_the_same() -> None:
    segmenter = FakeSegmenter()
    with pytest.raises(KeyError), Engine(FakeSource(), EveryFrame(segmenter), [FakeSink()]):
        raise KeyError
    assert segmenter.closed
