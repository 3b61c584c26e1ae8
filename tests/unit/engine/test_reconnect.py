"""A live source that fails comes back by itself, with growing pauses, on one timeline."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import count, pairwise

import pytest

from streamer.config import ReconnectConfig
from streamer.core.metrics import Metrics
from streamer.engine.capture import CaptureStage
from streamer.engine.playback import Playback
from streamer.engine.presence import Presence
from streamer.engine.reconnect import Reconnecting
from streamer.engine.ring import DropPolicy, FrameRing
from streamer.errors import (
    CorruptFrame,
    SourceAuthError,
    SourceError,
    SourceLost,
    SourceNotFound,
    SourceRefused,
    SourceTimeout,
    SourceUnsupported,
    SourceWaiting,
)
from streamer.events import Events
from streamer.frame import Stamp
from tests.fakes import FakeClock, FakeSource
from tests.waiting import wait_for


class Blink(Playback):
    """A wish to close that is seen once, and over by then."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.seen = threading.Event(), threading.Event()

    def __getattribute__(self, name: str) -> object:
        if name != "closes" or not self.asked.is_set() or self.seen.is_set():
            return super().__getattribute__(name)
        self.seen.set()
        return True


REFUSED = SourceRefused("fake: connection refused")
LOST = SourceLost("fake: hung up")


class Run:
    """One connection after another on a clock that only waiting moves; the last one ends."""

    def __init__(
        self,
        *connections: FakeSource,
        open_s: float = 10,
        playback: Playback | None = None,
        **policy: float,
    ) -> None:
        self.clock = FakeClock()
        self.stop = threading.Event()
        self.metrics = Metrics()
        self.presence = Presence("fake", self.clock, Events().tell)
        self.ring = FrameRing(1000, DropPolicy.DROP_OLDEST, on_drop=self.metrics.drop)
        self.ready = threading.Event()
        self.ready.set()
        self.stage = CaptureStage(
            self.metrics, self.presence, self.clock, stop=self.stop, ready=self.ready
        )
        self.made = 0
        self._connections = iter(connections)
        self.reconnecting = Reconnecting(
            self.fresh(),
            self.fresh,
            ReconnectConfig.model_validate(policy),
            self.stage,
            self.presence,
            lambda info: self.ring,
            self.clock,
            self.stop,
            playback,
            chance=lambda: 0.5,
            open_s=open_s,
        )

    def fresh(self) -> FakeSource:
        self.made += 1
        source = next(self._connections)
        source._clock = self.clock
        return source

    def __call__(self) -> Run:
        self.reconnecting.run()
        return self

    @property
    def stamps(self) -> list[Stamp]:
        stamps = []
        while self.ring.statistics().waiting:
            with self.ring.take(timeout=0) as lease:
                stamps.append(lease.frame.stamp)
        return stamps

    @property
    def paused_s(self) -> float:
        return sum(self.clock.waits)


def frames(number: int, *, then: Exception | None = None, **options: object) -> FakeSource:
    """A live connection that gives so many frames and ends, or fails."""
    return FakeSource(number, live=True, events={number: then} if then else {}, **options)


def failing(error: Exception) -> FakeSource:
    def fail() -> None:
        raise error

    return FakeSource(live=True, on_open=fail)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What a stuck call waits for; set when the test ends."""
    event = threading.Event()
    yield event
    event.set()


def stuck(event: threading.Event, at: int = 0) -> FakeSource:
    def block(number: int) -> None:
        if number == at:
            event.wait(30)

    return FakeSource(live=True, on_read=block)


def test_a_source_that_is_down_at_the_start_is_waited_for() -> None:
    run = Run(failing(REFUSED), failing(REFUSED), frames(3))()
    assert run.paused_s == pytest.approx(3)
    assert [stamp.index for stamp in run.stamps] == [0, 1, 2]
    assert run.presence.status().reconnects == 0


def test_each_connection_is_an_epoch_and_the_timeline_is_one() -> None:
    run = Run(
        frames(3, then=LOST, pts=lambda n: 1000 + n),
        frames(3, then=LOST, pts=lambda n: 5 + n),
        frames(2, pts=lambda n: 900_000 + n),
        healthy_s=0,
    )()
    stamps = run.stamps
    real = [stamp for stamp in stamps if not stamp.standby]
    assert [stamp.epoch for stamp in real] == [0, 0, 0, 1, 1, 1, 2, 2]
    # Frames come at once, and one second passes in each pause: 25 units of the time base.
    assert [stamp.pts for stamp in real] == [1000, 1001, 1002, 1025, 1026, 1027, 1050, 1051]
    assert [stamp.index for stamp in stamps] == list(range(len(stamps)))
    assert all(a.pts < b.pts for a, b in pairwise(stamps))
    assert run.presence.status().reconnects == 2
    assert run.presence.status().away_s == pytest.approx(2, abs=0.01)


def test_stand_by_frames_come_at_once_and_five_a_second_while_it_is_away() -> None:
    stamps = Run(frames(1, then=LOST), frames(1), first_s=2)().stamps
    standing_in = [stamp for stamp in stamps if stamp.standby]
    assert len(standing_in) == 10
    assert standing_in[0].captured_ns == stamps[0].captured_ns
    assert {stamp.epoch for stamp in standing_in} == {0}
    assert not stamps[0].standby
    assert not stamps[-1].standby


def test_nothing_stands_in_for_a_source_that_was_never_there() -> None:
    assert not any(s.standby for s in Run(failing(REFUSED), frames(1), first_s=9)().stamps)


def test_an_attempt_that_opens_and_gives_nothing_is_no_epoch() -> None:
    run = Run(frames(1, then=LOST), frames(0, then=LOST), frames(1))()
    assert [stamp.epoch for stamp in run.stamps if not stamp.standby] == [0, 1]
    assert run.presence.status().reconnects == 1


def test_pauses_begin_anew_only_after_a_healthy_connection() -> None:
    run = Run(frames(1, then=LOST), frames(1, then=LOST), frames(1, then=LOST), frames(1))
    run()
    assert run.paused_s == pytest.approx(1 + 2 + 4)
    assert run.presence.status().reconnects == 3


def test_a_healthy_connection_forgives_the_pauses_before_it() -> None:
    sources = [frames(1, then=LOST), frames(2, then=LOST), frames(1, then=LOST), frames(1)]
    run = Run(*sources)
    sources[1]._on_read = lambda number: run.clock.pass_s(11 if number == 1 else 0)
    run()
    assert run.paused_s == pytest.approx(1 + 1 + 2)


def test_time_spent_on_connecting_is_no_health() -> None:
    sources = [frames(1, then=LOST), frames(1, then=LOST), frames(1, then=LOST), frames(1)]
    run = Run(*sources)
    for source in sources:
        source._on_open = lambda: run.clock.pass_s(11)
    run()
    assert run.paused_s == pytest.approx(1 + 2 + 4)


@pytest.mark.parametrize(
    ("error", "pause_s"),
    [
        (SourceAuthError("401"), 30),
        (SourceNotFound("404"), 30),
        (SourceUnsupported("no video"), 30),
        (REFUSED, 1),
        (SourceTimeout("mute"), 1),
    ],
)
def test_what_will_hardly_change_by_itself_is_tried_seldom(error, pause_s) -> None:
    assert Run(failing(error), frames(1))().paused_s == pytest.approx(pause_s)


def test_what_was_there_once_may_be_missing_for_a_moment() -> None:
    run = Run(frames(1, then=LOST), failing(SourceNotFound("unplugged")), frames(1))()
    assert run.paused_s == pytest.approx(1 + 2)


@pytest.mark.parametrize("attempts", [1, 3])
def test_so_many_failed_attempts_in_a_row_end_the_run_with_the_last_error(attempts) -> None:
    last = SourceTimeout("the last one")
    run = Run(*[failing(REFUSED)] * (attempts - 1), failing(last), max_attempts=attempts)
    with pytest.raises(SourceTimeout, match="the last one"):
        run()
    assert run.made == attempts


def test_a_frame_begins_the_count_of_failed_attempts_anew() -> None:
    run = Run(
        failing(REFUSED),
        frames(1, then=LOST),
        failing(REFUSED),
        failing(SourceTimeout("the last one")),
        max_attempts=2,
    )
    with pytest.raises(SourceTimeout, match="the last one"):
        run()


@pytest.mark.parametrize("source", [failing(LOST), frames(2, then=LOST)])
def test_no_attempts_at_all_end_the_run_at_the_first_failure(source) -> None:
    run = Run(source, max_attempts=0)
    with pytest.raises(SourceLost):
        run()
    assert run.made == 1


def test_a_source_without_frames_is_given_up_and_tried_again(release) -> None:
    run = Run(stuck(release, at=2), frames(1), stall_s=0.2, first_s=0.1)()
    real = [stamp for stamp in run.stamps if not stamp.standby]
    assert [stamp.epoch for stamp in real] == [0, 0, 1]
    assert run.reconnecting.left == ("capture-1",)


def test_a_source_that_gives_only_bad_frames_is_given_up(caplog) -> None:
    def bad(number: int) -> None:
        time.sleep(0.01)
        raise CorruptFrame("fake: bad")

    run = Run(FakeSource(live=True, on_read=bad), frames(1), stall_s=0.2)()
    assert run.presence.status().state == "live"
    assert caplog.text.count("fake: bad") == 1


def waiting(turns: int | None) -> Callable[..., None]:
    """Sends, and has no picture for so many turns of 0.05 s; None: never."""
    left = iter(range(turns) if turns is not None else count())

    def wait(*_: int) -> None:
        if next(left, None) is not None:
            time.sleep(0.05)
            raise SourceWaiting("fake: its first key frame is yet to come")

    return wait


@pytest.mark.parametrize("call", ["on_open", "on_read"])
def test_a_source_that_sends_is_no_stall_however_late_its_first_picture(call) -> None:
    source = FakeSource(2, live=True, **{call: waiting(12)})
    run = Run(source, open_s=0.2, stall_s=0.2)()
    assert [stamp.index for stamp in run.stamps] == [0, 1]
    assert run.made == 1
    assert run.presence.status().reconnects == 0


@pytest.mark.parametrize("call", ["on_open", "on_read"])
def test_a_stop_ends_the_waiting_for_a_first_picture(call) -> None:
    source = FakeSource(2, live=True, **{call: waiting(None)})
    run = Run(source, open_s=0.2, stall_s=0.2)
    threading.Timer(0.3, run.stop.set).start()
    begun = time.monotonic()
    run()
    assert time.monotonic() - begun < 5
    assert source.closed
    assert run.reconnecting.left == ()


def test_of_a_source_that_says_that_it_is_slow_a_pause_of_three_frames_is_no_stall() -> None:
    source = frames(3, on_read=lambda number: time.sleep(0.15))
    source.fps = Fraction(10)
    run = Run(source, stall_s=0.05)()
    assert [stamp.index for stamp in run.stamps] == [0, 1, 2]
    assert run.made == 1


def test_an_opening_that_never_returns_is_given_up(release) -> None:
    source = FakeSource(live=True, on_open=lambda: release.wait(30))
    run = Run(source, frames(1), open_s=0.2)()
    assert [stamp.index for stamp in run.stamps] == [0]
    assert run.reconnecting.left == ("capture-1",)


def test_what_a_stuck_read_writes_later_reaches_nobody(release) -> None:
    late = stuck(release, at=0)
    run = Run(late, frames(3, pts=lambda n: 100 + n), stall_s=0.1)()
    release.set()
    wait_for(lambda: not run.reconnecting.left)
    assert [stamp.pts for stamp in run.stamps] == [100, 101, 102]
    assert late.closed, "it closes its own source"


def test_threads_that_are_stuck_for_ever_do_not_grow_in_number(release) -> None:
    run = Run(*[stuck(release) for _ in range(8)], stall_s=0.05, max_attempts=6)
    with pytest.raises(SourceTimeout, match="have not returned from its driver"):
        run()
    assert len(run.reconnecting.left) == 4


def test_a_stop_ends_a_stuck_read_an_opening_and_a_pause_at_once(release) -> None:
    opening = FakeSource(live=True, on_open=lambda: release.wait(30))
    for run in (Run(stuck(release)), Run(opening)):
        threading.Timer(0.1, run.stop.set).start()
        started = time.monotonic()
        run()
        assert time.monotonic() - started < 10, "the farewell's second included"


def test_states_are_logged_once_each_and_a_reason_loudly_only_the_first_time(caplog) -> None:
    caplog.set_level(logging.INFO)
    Run(frames(1, then=LOST), *[failing(REFUSED)] * 3, frames(1))()
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("INFO", "fake: live"),
        ("WARNING", "reconnecting: fake: hung up; next attempt in 1.0 s"),
        ("WARNING", "fake: connection refused; next attempt in 2.0 s"),
        ("WARNING", "fake: live again after 15.0 s"),
    ]


def test_silence_is_stalled_until_the_next_attempt(caplog) -> None:
    caplog.set_level(logging.INFO)
    Run(frames(1, then=SourceTimeout("fake: sent nothing for 5 s")), frames(1))()
    assert [record.getMessage() for record in caplog.records] == [
        "fake: live",
        "stalled: fake: sent nothing for 5 s; next attempt in 1.0 s",
        "fake: reconnecting",
        "fake: live again after 1.0 s",
    ]


def test_a_loss_before_the_model_is_ready_is_survived_too() -> None:
    second = frames(6, pts=lambda n: 100 + n)
    run = Run(frames(3, then=LOST), second)
    run.ready.clear()
    second._on_read = lambda number: run.ready.set() if number == 2 else None
    run()
    assert [(stamp.index, stamp.epoch, stamp.pts) for stamp in run.stamps] == [
        (0, 0, 103),
        (1, 0, 104),
        (2, 0, 105),
    ]


def test_an_error_that_is_no_sources_is_not_retried() -> None:
    def bug() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Run(FakeSource(live=True, on_open=bug), frames(1))()


def test_corrupt_frames_are_errors_of_sources_and_yet_no_reason_to_reconnect() -> None:
    assert issubclass(CorruptFrame, SourceError)
    run = Run(FakeSource(3, live=True, events={1: CorruptFrame("bad")}))()
    assert run.made == 1
    assert run.metrics.drops()["decode_error"] == 1


def test_a_camera_that_is_let_go_and_wanted_again_at_once_has_not_failed() -> None:
    playback = Blink()

    def open_slowly() -> None:
        playback.asked.set()
        assert playback.seen.wait(10)

    run = Run(
        FakeSource(live=True, on_open=open_slowly),
        FakeSource(3, live=True),
        max_attempts=1,
        playback=playback,
    )
    run.reconnecting.run()
    assert run.made == 2
    assert run.metrics.frames()["captured"] == 3
