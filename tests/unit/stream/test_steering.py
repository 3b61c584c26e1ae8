"""A stream that runs can be paused, sped up, let go and given another model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from fractions import Fraction

import pytest

from streamer import Pipeline
from streamer.config import ReconnectConfig, StandbyConfig
from streamer.engine import Standby
from streamer.engine.playback import Playback
from streamer.errors import CommandRefused, ModelError
from streamer.frame import Frame, StreamInfo
from streamer.matting import EveryFrame
from tests.fakes import FakeClock, FakeMatting, FakeSegmenter, FakeSink, FakeSource


class Paced(FakeSource):
    """A recording at its own pace."""

    def open(self) -> StreamInfo:
        fps = Fraction(25)
        return StreamInfo("fake", 64, 48, fps, 1 / fps, live=True, paced=True)


class Waiting(FakeClock):
    """Calls back at each wait."""

    def __init__(self, on_wait: Callable[[], None]) -> None:
        super().__init__()
        self._on_wait = on_wait

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self._on_wait()
        return super().wait(event, timeout_s)


class TriggeredSink(FakeSink):
    triggers = 0
    waits = True

    def trigger(self) -> bool:
        self.triggers += 1
        return self.waits


class SwitchedSink(FakeSink):
    on = False

    def switch(self, on: bool) -> None:
        self.on = on


def pipeline(source: FakeSource, sink: FakeSink, **options) -> Pipeline:
    matting = options.pop("matting", None) or EveryFrame(FakeSegmenter())
    return Pipeline(source, matting, [sink, *options.pop("more", ())], **options)


def test_a_paused_file_waits_and_loses_nothing() -> None:
    captured: list[int] = []

    def wait() -> None:
        captured.append(running.statistics().frames["captured"])
        assert running.statistics().paused
        if len(captured) == 50:
            running.resume()

    source = FakeSource(40, on_read=lambda number: running.pause() if number == 10 else None)
    sink = FakeSink()
    running = pipeline(source, sink, clock=Waiting(wait))
    report = running.run()
    assert captured == [11] * 50
    assert sink.indices == list(range(40))
    assert not any(stamp.standby for stamp in sink.stamps)
    assert report["frames"]["standby"] == 0


def test_a_paced_file_goes_on_after_a_pause_without_a_rush() -> None:
    def wait() -> None:
        if running.paused and running.statistics().frames["captured"] == 3:
            clock.pass_s(60)
            running.resume()

    clock = Waiting(wait)
    source = Paced(10, on_read=lambda number: running.pause() if number == 3 else None)
    running = pipeline(source, FakeSink(), clock=clock)
    running.run()
    pause_s, before, after = 0.05, 2 / 25, 8 / 25
    assert sum(clock.waits) == pytest.approx(before + pause_s + after)


def test_a_picture_whose_time_comes_in_a_pause_waits_for_its_end() -> None:
    captured_in_pause: list[int] = []

    def wait() -> None:
        if clock.now_ns() > begun_ns + 5.2e9:
            running.resume()
        elif clock.now_ns() > begun_ns + 0.2e9:
            running.pause()
            captured_in_pause.append(running.statistics().frames["captured"])

    clock = Waiting(wait)
    begun_ns = clock.now_ns()
    running = pipeline(Paced(2, pts=lambda number: 25 * number), FakeSink(), clock=clock)
    running.run()
    assert set(captured_in_pause) == {1}
    waited_s = 1 + 5 + 1 / 25
    assert sum(clock.waits) == pytest.approx(waited_s, abs=0.11), "a second, five paused, the last"


def test_a_stop_ends_a_pause() -> None:
    paused = threading.Event()
    running = pipeline(
        FakeSource(None, on_read=lambda number: running.pause() if number == 3 else None),
        FakeSink(),
        clock=Waiting(paused.set),
    )
    running.start()
    assert paused.wait(10)
    running.stop()
    running.join()
    assert running.report()["frames"]["captured"] == 4


def test_a_paused_live_stream_holds_its_last_picture_and_is_fresh_afterwards() -> None:
    reads: list[int] = []
    read_at_resume: list[int] = []
    after: list[int] = []

    def write(frame: Frame) -> None:
        if frame.stamp.paused:
            if not read_at_resume and sum(stamp.paused for stamp in sink.stamps) == 2:
                read_at_resume.append(reads[-1])
                running.resume()
        elif read_at_resume:
            after.append(int(frame.image[0, 0, 0]))
            running.stop()
        elif frame.stamp.index >= 5:
            running.pause()

    sink = FakeSink(on_write=write)
    running = pipeline(
        FakeSource(250, live=True, period_s=0.005, on_read=reads.append),
        sink,
        standby=Standby(StandbyConfig(show="card")),
    )
    report = running.run()
    held = [n for n, stamp in enumerate(sink.stamps) if stamp.paused]
    shown = [sink.pictures[n] for n in range(held[0])]
    assert shown == sorted(shown)
    for n in held:
        assert sink.pictures[n] == sink.alphas[n] == shown[-1], "the last frame and its own matte"
        assert sink.origins[n] == "propagated"
    assert after[0] > shown[-1] + 5, "what came during the pause was thrown away"
    assert after[0] >= read_at_resume[0]
    times = [stamp.pts_s for stamp in sink.stamps]
    assert times == sorted(set(times))
    assert sink.epochs[held[-1] + 1] > sink.epochs[held[-1]]
    frames = report["frames"]
    assert frames["captured"] == frames["emitted"] + sum(report["drops"].values())
    assert frames["standby"] == len(held)


def test_a_change_of_speed_counts_from_the_frame_before() -> None:
    clock = FakeClock()
    source = Paced(10, on_read=lambda number: running.set_speed(2) if number == 5 else None)
    running = pipeline(source, FakeSink(), clock=clock)
    running.run()
    assert sum(clock.waits) == pytest.approx(4 / 25 + 6 / 50)
    assert running.statistics().speed == 2


@pytest.mark.parametrize(
    ("live", "reason"), [(False, "as fast as it is worked on"), (True, "it comes live")]
)
def test_what_has_no_pace_cannot_be_sped_up(live: bool, reason: str) -> None:
    running = pipeline(FakeSource(2, live=live), FakeSink())
    with pytest.raises(CommandRefused, match="not open yet"):
        running.set_speed(2)
    running.run()
    with pytest.raises(CommandRefused, match=f"{reason}; .*realtime: true"):
        running.set_speed(2)


@pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
def test_a_speed_is_a_positive_number(speed: float) -> None:
    with pytest.raises(ValueError, match="not a positive number"):
        pipeline(FakeSource(1), FakeSink()).set_speed(speed)


def test_a_released_camera_is_closed_and_opened_again_when_it_is_wanted() -> None:
    sources: list[FakeSource] = []
    states: list[str] = []
    closed: list[bool] = []

    def fresh() -> FakeSource:
        sources.append(FakeSource(None, live=True, period_s=0.005))
        return sources[-1]

    def write(frame: Frame) -> None:
        status = running.statistics().source
        if frame.stamp.standby and status.state == "released":
            states.append(status.state)
            closed.append(sources[0].closed)
            running.acquire()
        elif states and not frame.stamp.standby:
            running.stop()
        elif frame.stamp.index == 5:
            running.release()

    sink = FakeSink(on_write=write)
    running = pipeline(fresh(), sink, fresh=fresh, reconnect=ReconnectConfig(first_s=0.1, max_s=1))
    running.run()
    assert closed
    assert all(closed)
    assert len(sources) == 2
    standby = [n for n, stamp in enumerate(sink.stamps) if stamp.standby]
    assert {sink.origins[n] for n in standby} == {"empty"}
    assert sink.epochs[-1] == sink.epochs[0] + 1


def test_a_camera_that_is_reopened_is_closed_and_made_anew() -> None:
    sources: list[FakeSource] = []

    def fresh() -> FakeSource:
        sources.append(FakeSource(None, live=True, period_s=0.005))
        sources[-1].name = f"hall {len(sources)}"
        return sources[-1]

    def write(frame: Frame) -> None:
        if frame.stamp.index == 5:
            running.reopen()
        elif len(sources) == 2 and not frame.stamp.standby and frame.stamp.epoch:
            running.stop()

    sink = FakeSink(on_write=write)
    running = pipeline(fresh(), sink, fresh=fresh, reconnect=ReconnectConfig(first_s=30, max_s=60))
    assert running.run()["source"]["name"] == "hall 2"
    assert [source.closed for source in sources] == [True, True]
    assert not running.released
    assert sink.epochs[-1] == sink.epochs[0] + 1


@pytest.mark.parametrize("released", [False, True])
def test_what_is_to_be_reopened_before_the_start_is_made_anew(released: bool) -> None:
    made: list[str] = []

    def fresh() -> FakeSource:
        made.append("fresh")
        running.stop()
        return FakeSource(None, live=True, period_s=0.005)

    first = FakeSource(None, live=True, on_open=lambda: made.append("first"))
    running = pipeline(first, FakeSink(), fresh=fresh)
    if released:
        running.release()
    running.reopen()
    assert running.released == released
    if released:
        running.acquire()
    running.run()
    assert made == ["fresh"]


def test_what_is_reopened_while_it_is_released_stays_so() -> None:
    made: list[FakeSource] = []

    def fresh() -> FakeSource:
        made.append(FakeSource(None, live=True, period_s=0.005))
        return made[-1]

    def write(frame: Frame) -> None:
        status = running.statistics().source
        if frame.stamp.index == 5:
            running.release()
        elif status.state == "released":
            running.reopen()
            standby.append(len(made))
            if len(standby) == 3:
                running.stop()

    standby: list[int] = []
    running = pipeline(fresh(), FakeSink(on_write=write), fresh=fresh)
    running.run()
    assert running.released
    assert standby == [1, 1, 1]


@pytest.mark.parametrize(
    ("calls", "connection"),
    [
        ("release", "released"),
        ("release acquire", "open"),
        ("release release acquire", "open"),
        ("acquire", "open"),
        ("reopen", "reopening"),
        ("reopen reopened", "open"),
        ("reopen reopen reopened", "open"),
        ("reopen acquire", "reopening"),
        ("reopen release", "released"),
        ("reopen release reopened", "released"),
        ("reopen release acquire", "reopening"),
        ("reopen release acquire reopened release acquire", "open"),
        ("release reopen", "released"),
        ("release reopen reopened", "released"),
        ("release reopen acquire", "reopening"),
    ],
)
def test_each_wish_for_a_camera_leads_to_one_state(calls: str, connection: str) -> None:
    playback = Playback()
    for call in calls.split():
        getattr(playback, call)()
    assert playback.connection == connection
    assert playback.closes == (connection != "open")
    assert playback.outdated == ("reopen" in calls.split())


def test_a_camera_that_is_released_while_it_is_reopened_stays_closed() -> None:
    made: list[FakeSource] = []
    standby: list[int] = []

    def fresh() -> FakeSource:
        made.append(FakeSource(None, live=True, period_s=0.005))
        return made[-1]

    def write(frame: Frame) -> None:
        if frame.stamp.index == 5:
            running.reopen()
            assert not running.released, "so that a key that toggles it releases it"
            running.release()
        elif running.statistics().source.state == "released":
            standby.append(len(made))
            if len(standby) == 3:
                running.stop()

    running = pipeline(fresh(), FakeSink(on_write=write), fresh=fresh)
    running.run()
    assert running.released
    assert standby == [1, 1, 1]
    assert made[0].closed


def test_a_stop_ends_a_release() -> None:
    def fresh() -> FakeSource:
        return FakeSource(None, live=True, period_s=0.005)

    def write(frame: Frame) -> None:
        if frame.stamp.standby:
            running.stop()
        else:
            running.release()

    running = pipeline(fresh(), FakeSink(on_write=write), fresh=fresh)
    assert running.run()["source"]["state"] == "ended"


def test_only_what_is_connected_again_can_be_released() -> None:
    with pytest.raises(CommandRefused, match="only cameras and RTSP streams"):
        pipeline(FakeSource(), FakeSink()).release()


def test_a_trigger_reaches_every_sink_that_waits_for_one() -> None:
    first, second = TriggeredSink(), TriggeredSink()
    running = pipeline(FakeSource(), first, more=[second, FakeSink()])
    assert running.trigger() == 2
    assert first.triggers == second.triggers == 1
    second.waits = False
    assert running.trigger() == 1
    assert pipeline(FakeSource(), FakeSink()).trigger() == 0


def test_recordings_are_switched_together() -> None:
    film = SwitchedSink()
    running = pipeline(FakeSource(), FakeSink(), more=[film])
    assert not running.recording
    running.record(on=True)
    assert film.on
    assert running.recording
    with pytest.raises(CommandRefused, match="no recording to switch"):
        pipeline(FakeSource(), FakeSink()).record(on=True)


class Other(FakeMatting):
    """Its alphas are 200."""

    def _give(self, how_many: int):
        mattes = super()._give(how_many)
        for matte in mattes:
            matte.alpha.fill(200)
        return mattes


def switched(load, *, frames: int = 60, matting=None, **options):
    """A file during which another matting is loaded at frame 10, and awaited at frame 20."""
    futures: list[Future[None]] = []

    def write(frame: Frame) -> None:
        if frame.stamp.index == 10:
            futures.append(running.use(load))

    def read(number: int) -> None:
        if number == 30:
            assert loaded.wait(10)

    loaded = threading.Event()

    def load_and_say():
        try:
            return load_()
        finally:
            loaded.set()

    load_, load = load, load_and_say
    sink = FakeSink(on_write=write)
    running = pipeline(FakeSource(frames, on_read=read), sink, matting=matting, **options)
    report = running.run()
    return report, sink, futures[0]


def test_another_matting_takes_over_while_a_file_is_paused() -> None:
    def use(frame: Frame) -> None:
        if frame.stamp.index == 3:
            running.pause()
            futures.append(running.use(lambda: Other(0)))
            waiting.set()

    futures: list[Future[None]] = []
    waiting = threading.Event()
    sink = FakeSink(on_write=use)
    running = pipeline(FakeSource(300), sink, sink_queue=1, ring_capacity=1)
    running.start()
    assert waiting.wait(10)
    assert futures[0].result(10) is None
    running.resume()
    running.join()
    assert sink.alphas[-1] == 200
    assert sink.indices == list(range(300))


@pytest.mark.parametrize("before", [0, 3])
def test_another_matting_takes_over_between_two_frames_and_none_is_lost(before: int) -> None:
    old, new = FakeMatting(before), Other(delay=12)
    report, sink, future = switched(lambda: new, matting=old, ring_capacity=1, sink_queue=1)
    assert future.result(0) is None
    assert sink.indices == list(range(60))
    begun = sink.alphas.index(200)
    assert 10 < begun < 45
    assert sink.alphas[:begun] == list(range(begun))
    assert sink.alphas[begun:] == [200] * (60 - begun)
    assert old.closed
    assert new.closed, "at the end"
    assert report["matting"]["delay_frames"] == 12


def test_a_matting_that_cannot_be_loaded_leaves_the_old_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def load() -> FakeMatting:
        raise ModelError("model.name: no such file")

    old = FakeMatting()
    _, sink, future = switched(load, matting=old)
    assert sink.alphas == list(range(60))
    with pytest.raises(ModelError, match="no such file"):
        future.result(0)
    assert "stays the one that it was: model.name: no such file" in caplog.text


def test_a_matting_that_does_not_warm_up_is_closed() -> None:
    class Broken(FakeMatting):
        def warm_up(self) -> None:
            raise ModelError("does not run")

    new = Broken()
    _, sink, future = switched(lambda: new)
    assert isinstance(future.exception(0), ModelError)
    assert new.closed
    assert sink.alphas == list(range(60))


def test_a_matting_that_comes_after_the_end_is_closed() -> None:
    ended = threading.Event()
    new = FakeMatting()
    futures: list[Future[None]] = []

    def load() -> FakeMatting:
        assert ended.wait(10)
        return new

    def write(frame: Frame) -> None:
        if frame.stamp.index == 3:
            futures.append(running.use(load))
            with pytest.raises(CommandRefused, match="still on its way"):
                running.use(load)

    running = pipeline(FakeSource(10), FakeSink(on_write=write, on_close=ended.set))
    running.run()
    assert new.closed
    with pytest.raises(CancelledError):
        futures[0].result(0)
    with pytest.raises(CommandRefused, match="has ended"):
        running.use(load)


def test_before_the_source_is_open_nothing_can_be_switched() -> None:
    with pytest.raises(CommandRefused, match="not open yet"):
        pipeline(FakeSource(), FakeSink()).use(FakeMatting)


def test_a_camera_is_let_go_while_the_model_still_warms_up() -> None:
    closed = threading.Event()

    class Camera(FakeSource):
        def close(self) -> None:
            super().close()
            closed.set()

    class Slow(FakeMatting):
        def warm_up(self) -> None:
            assert closed.wait(10)
            running.stop()

    camera = Camera(
        None, live=True, period_s=0.005, on_read=lambda n: running.release() if n == 3 else None
    )
    running = pipeline(camera, FakeSink(), matting=Slow(), fresh=FakeSource)
    assert running.run()["error"] is None
