"""
The lifecycle of the threads: started together, stopped by draining, and the first failure wins.

Who waits for whom: capture for room in the ring, matting for a frame and (files only) for room in
each sink's queue, a sink for its deliveries. The supervisor, `run` or `join`, waits for all, and
abandons a stage that is stuck for `stall_s`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Self, TypedDict

from streamer.config import PipelineConfig, ReconnectConfig
from streamer.core.clock import Clock, SystemClock
from streamer.core.copying import Uncopyable
from streamer.core.metrics import Metrics, peak_rss_mb
from streamer.engine.capture import CaptureStage
from streamer.engine.delivery import SinkWorker
from streamer.engine.dropped import DroppedFrames
from streamer.engine.mattes import MattingStage, Refine, TakeSettings, no_settings
from streamer.engine.outputs import Outputs
from streamer.engine.playback import Playback
from streamer.engine.presence import Presence
from streamer.engine.reconnect import Reconnecting
from streamer.engine.report import Moment, SinkStatus, Statistics, Status
from streamer.engine.ring import DropPolicy, FrameRing
from streamer.engine.standby import Standby
from streamer.engine.switching import LoadMatting, Switching
from streamer.engine.threads import Threads
from streamer.errors import SourceError, StopRequested
from streamer.events import Events
from streamer.frame import StreamInfo
from streamer.protocols import Matting, Sink, Source

logger = logging.getLogger("streamer.engine")

_USUAL = PipelineConfig()

_DRAIN_S = 2.0
"""For how long after a stop the frames that wait still get their mattes."""

_TICK_S = 0.01
"""How often the supervisor checks the stages."""


class Options(TypedDict, total=False):
    """The options of `Engine`, besides its parts; see there."""

    fresh: Callable[[], Source] | None
    reconnect: ReconnectConfig | None
    standby: Standby | None
    refine: Refine | None
    ring_capacity: int
    sink_queue: int
    stall_s: float
    metrics: Metrics | None
    clock: Clock | None
    events: Events | None


class Engine(Uncopyable):
    """
    Runs frames from a source over mattes to sinks, in threads of its own.

    It knows its parts by their contracts only. Users have a `streamer.stream.Stream` around it.

    Args:
        source: where frames come from; owned.
        matting: how they get their mattes; owned.
        sinks: where they go, one at least; owned. A window is served by `run` on the main thread.
        fresh: makes another source like *source*: with it, one that is down, lost or silent is
            reconnected. For live sources; each connection then has a thread of its own.
        reconnect: how often to try, and when the source counts as silent.
        standby: makes the frames that sinks get while the source is away.
        take_settings: gives a frame its settings, when the matting stage takes it.
        refine: is done to the alpha of each frame, in the matting's thread; never to an empty one.
        ring_capacity: frames that may wait for their matte.
        sink_queue: mattes that may wait for each sink.
        stall_s: seconds after which a sink that does not return, or a stage that does not stop,
            counts as stuck; it is then abandoned, for a thread cannot be killed.
        metrics: where to count; shared with composers that time themselves.
        clock: time, for tests to pass in.
        events: told what happens; the stream's name in it is part of the threads' names.

    A context manager: leaving it stops and joins. `request_stop` may be called in a signal
    handler; `stop`, `abort`, `statistics`, `report` and `use`, by any thread.

    Attributes:
        source: the first source; later connections have others.
        playback: the user's wishes of the source while it runs.
        connects: whether the source is reconnected when it is lost.
        events: see above.
    """

    def __init__(
        self,
        source: Source,
        matting: Matting,
        sinks: Sequence[Sink],
        *,
        fresh: Callable[[], Source] | None = None,
        reconnect: ReconnectConfig | None = None,
        standby: Standby | None = None,
        take_settings: TakeSettings = no_settings,
        refine: Refine | None = None,
        ring_capacity: int = _USUAL.ring_capacity,
        sink_queue: int = _USUAL.sink_queue,
        stall_s: float = _USUAL.stall_s,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
        events: Events | None = None,
    ) -> None:
        if not sinks:
            raise ValueError("a stream needs a sink")
        self.source = source
        self.connects = fresh is not None
        self._stall_s = stall_s
        self._capacity = ring_capacity
        self._standby = standby or Standby()
        self._metrics = metrics or Metrics()
        self.events = events or Events()
        self._dropped = DroppedFrames(self.events.tell)
        self._stop_wanted = False
        self._stopping = threading.Event()
        self._opened = threading.Event()
        self._ready = threading.Event()
        clock = clock or SystemClock()
        self._presence = Presence(source.name, clock, self.events.tell)
        self.playback = Playback()
        self._capture = CaptureStage(
            self._metrics,
            self._presence,
            clock,
            stop=self._stopping,
            ready=self._ready,
            on_audio=lambda packets: self._outputs.share_audio(packets),
            playback=self.playback,
        )
        self._reconnecting: Reconnecting | None = None
        if fresh is not None:
            self._reconnecting = Reconnecting(
                source,
                fresh,
                reconnect or ReconnectConfig(),
                self._capture,
                self._presence,
                self._make_ring,
                clock,
                self._stopping,
                self.playback,
            )
        self._threads = Threads(
            self.stop, self.abort, stream=self.events.stream, tell=self.events.tell
        )
        self._outputs = Outputs(sinks, sink_queue, self._metrics, self._threads, stall_s=stall_s)
        self._switching = Switching(self._threads.spawn)
        self._mattes = MattingStage(
            matting,
            self._standby,
            self._outputs,
            self._metrics,
            self._presence,
            self._switching,
            take_settings,
            self._dropped,
            refine,
        )
        self._info: StreamInfo | None = None
        self._ring: FrameRing | None = None
        self._window: SinkWorker | None = None
        self._lock = threading.Lock()
        self._stopped_at: float | None = None
        self._began: Moment | None = None
        self._ended: Moment | None = None

    def start(self) -> None:
        """
        Start the threads and return.

        Raises:
            RuntimeError: it was started before, or has a window, which needs `run`.
        """
        if any(worker.hosted for worker in self._outputs):
            raise RuntimeError("a window needs the main thread: call run()")
        self.begin()

    def run(self, should_stop: Callable[[], bool] | None = None) -> dict[str, Any]:
        """
        Start, serve a window if there is one, and wait for the end.

        Args:
            should_stop: asked every few milliseconds; true stops the stream by draining it.

        Returns:
            The run report; see `report`.

        Raises:
            StageFailed: a stage failed; its cause says how.

        For the main thread when there is a window. An exception such as KeyboardInterrupt aborts,
        waits for the stages to finish their files, and is raised again.
        """
        try:
            self.begin()
            self._supervise(should_stop)
        except BaseException:
            self.abort()
            self._supervise(None)
            raise
        self._threads.raise_failure()
        return self.report()

    def begin(self) -> None:
        """
        Start the threads and return; call `tend` from then on.

        Raises:
            RuntimeError: it was started before.
        """
        if self._threads:
            raise RuntimeError("a stream runs once")
        if self._stopped_at is not None:
            # Stopped before its start: the time that its stages have to end counts from here.
            self._stopped_at = time.monotonic()
        self._metrics.on_drop = self._dropped  # of an earlier run with the same counts until now
        self._threads.spawn("capture", self._run_capture)
        self._threads.spawn("matting", self._run_matting)
        for worker in self._outputs:
            if worker.hosted:
                self._window = worker
            else:
                self._threads.spawn(worker.label, partial(self._run_sink, worker))

    def tend(self) -> bool:
        """
        Serve the window for a moment, if there is one, stop if that was asked for, and abandon
        stages that are stuck. To be called again and again by one thread, the main thread if there
        is a window, until it returns false: everything has ended.
        """
        window = self._window
        if window is None and not self._threads.awaited:
            if self._ended is None:
                self._ended = Moment.now()
                self._dropped.tell_rest()
            return False
        if self._stop_wanted:
            self.stop()
        self._abandon_stuck()
        if window is not None and not self._goes_on(window):
            self._window = None
            self._close_window(window)
        return True

    @property
    def failure(self) -> BaseException | None:
        """The first failure of a stage, if there was one: a `StageFailed` with its cause."""
        return self._threads.failure

    @property
    def ready(self) -> bool:
        """Whether mattes can be made: the model is warm. Frames count from then on."""
        return self._ready.is_set()

    def request_stop(self) -> None:
        """Ask for a stop without taking a lock: for signal handlers. Takes effect in `run`."""
        self._stop_wanted = True

    def stop(self) -> None:
        """End the stream: no more frames are read, those that wait are still processed."""
        with self._lock:
            self._stopped_at = self._stopped_at or time.monotonic()
            ring = self._ring
        self._stopping.set()
        self._outputs.drops = True
        self._ready.set()
        self._opened.set()
        if ring is not None:
            ring.close()

    def abort(self) -> None:
        """End the stream and drop the frames that wait; the sinks still finish their files."""
        self.stop()
        ring = self._ring
        if ring is not None:
            ring.abort()

    def join(self) -> None:
        """
        Wait for the end.

        Raises:
            StageFailed: the first stage that failed, with its cause.
        """
        self._supervise(None)
        self._threads.raise_failure()

    @property
    def info(self) -> StreamInfo | None:
        """What the source delivers; None before it is open."""
        return self._info

    @property
    def size(self) -> tuple[int, int] | None:
        """(H, W) of the latest frame; None before the first."""
        return self._capture.size

    @property
    def matting(self) -> Matting:
        """The present matting."""
        return self._mattes.matting

    def use(self, load: LoadMatting) -> Future[None]:
        """See `Stream.use`."""
        if self._info is None:
            raise RuntimeError("the source is not open yet")
        return self._switching.begin(load)

    @property
    def sinks(self) -> dict[int, Sink]:
        """The present sinks by their numbers, in their order."""
        return {worker.number: worker.sink for worker in self._outputs}

    def fail(self, stage: str, error: BaseException) -> None:
        """Fail the stream, because of something that belongs to no stage of it."""
        self._threads.fail(stage, error)

    @property
    def has_window(self) -> bool:
        """Whether `tend` serves a window, which waits for its events there."""
        return self._window is not None

    def change_sinks(self, sinks: Mapping[int, Sink], *, ending_first: bool) -> None:
        """
        Have frames go to *sinks* from now on; see `Outputs.change`. Waits until they do.

        Raises:
            RuntimeError: the source is not open yet, or the stream has ended.
            SinkError: a new one cannot be opened.
        """
        if self._info is None or self._ring is None:
            raise RuntimeError("the source is not open yet")
        if self._stopping.is_set() or self._outputs.ended:
            raise RuntimeError("the stream has ended")
        self._outputs.change(sinks, self._info, self._ring.lend, ending_first=ending_first)

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Stages stuck in a call that never returned; their threads keep the process alive."""
        attempts = self._reconnecting.left if self._reconnecting and self._ended else ()
        return (*self._threads.abandoned, *attempts)

    def statistics(self) -> Statistics:
        """What has been counted so far."""
        ring = self._ring
        return Statistics(
            self._metrics.frames(),
            self._metrics.drops(),
            self._presence.status(),
            ring.statistics() if ring is not None else None,
            self._threads.running,
            self.playback.paused,
            self.playback.speed,
        )

    def status(self) -> Status:
        """The stream's status. Takes about a millisecond; to ask often, use `statistics`."""
        ended = self._ended or Moment.now()
        began = self._began or ended
        matting = self._mattes.matting
        return Status(
            stream=self.events.stream,
            source=self._presence.name,
            info=self._info,
            counts=self.statistics(),
            latency_ms=self._metrics.latencies(),
            matte_age=self._metrics.matte_ages(),
            wall_s=ended.wall_s - began.wall_s,
            cpu_s=ended.cpu_s - began.cpu_s,
            model=matting.info,
            matting=matting.statistics(),
            rss_peak_mb=peak_rss_mb(),
            sinks=tuple(
                SinkStatus(
                    number=worker.number,
                    type=worker.sink.name,
                    stage=worker.label,
                    dropped=worker.dropped,
                    waiting=worker.waiting,
                    latency_ms=self._metrics.sink_latencies((worker.number, worker.sink.name)),
                    statistics=_statistics_of(worker),
                )
                for worker in self._outputs
            ),
            error=str(self._threads.failure) if self._threads.failure else None,
        )

    def report(self) -> dict[str, Any]:
        """The run report as plain JSON values; see docs/report.md."""
        return self.status().report()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if not self._threads:
            self._mattes.close()  # it never started, but the model is loaded
            return
        if failure[0] is None:
            self.stop()
            if self._ended is None:
                self.join()
        else:
            self.abort()
            self._supervise(None)

    def _run_capture(self) -> None:
        try:
            if self._reconnecting is not None:
                self._reconnecting.run()
            else:
                info = self.source.open()
                self._capture.run(self.source, info, self._make_ring(info))
        except Exception as error:
            if self._stopping.is_set() and isinstance(error, SourceError):
                logger.info("while stopping, capture: %s", error)
            else:
                # No abort: the frames captured so far are good, and are still processed.
                self._threads.keep_failure("capture", error)
        finally:
            if self._ring is not None:
                self._ring.close()
            self._opened.set()
            if self._reconnecting is None:
                self.source.close()
            self._presence.ended()

    def _make_ring(self, info: StreamInfo) -> FrameRing:
        """Publish what the source delivers, and make the ring for it."""
        policy = DropPolicy.DROP_OLDEST if info.live else DropPolicy.BLOCK
        # In a pause a live stream's last frame is shown again.
        self._standby.keeps |= info.live and not info.paced
        leases = 1 + self._mattes.matting.delay + self._outputs.leases + self._standby.keeps
        ring = FrameRing(self._capacity, policy, leases=leases, on_drop=self._metrics.drop)
        self._outputs.drops = info.live
        with self._lock:
            self._info, self._ring = info, ring
        if self._stopping.is_set():
            ring.close()
        self._opened.set()
        return ring

    def _run_matting(self) -> None:
        try:
            self._mattes.matting.warm_up()
            self._began = Moment.now()
            self._ready.set()
            self._opened.wait()
            if self._ring is not None:
                self._mattes.run(self._ring)
        finally:
            self._outputs.end()
            self._mattes.close()
            with self._lock:
                # A matting that is still being loaded is waited for only as long as after a stop.
                self._stopped_at = self._stopped_at or time.monotonic()

    def _run_sink(self, worker: SinkWorker) -> None:
        try:
            worker.prepare()
            self._opened.wait()
            if self._info is not None:
                worker.open(self._info)
                worker.loop()
        except StopRequested:
            self.stop()
        except BaseException as error:
            self._outputs.fail(worker, error)
        finally:
            self._outputs.close(worker)

    def _supervise(self, should_stop: Callable[[], bool] | None) -> None:
        """Tend everything until it has ended."""
        while True:
            if should_stop is not None and should_stop():
                self.stop()
            if not self.tend():
                return
            if self._window is None:
                time.sleep(_TICK_S)

    def _goes_on(self, window: SinkWorker) -> bool:
        """Give the window a turn; false when it is to be closed."""
        try:
            return self._serve(window)
        except StopRequested:
            self.stop()
        except Exception as error:
            self._threads.fail(window.label, error)
        return False

    def _serve(self, window: SinkWorker) -> bool:
        """Give the window a turn; false when nothing more will come for it."""
        if window.opened:
            return window.step(
                _TICK_S, stopping=self._stopping.is_set() or self._threads.failure is not None
            )
        if not self._opened.wait(_TICK_S):
            return True
        if self._info is None:
            return False
        window.open(self._info)
        return True

    def _close_window(self, window: SinkWorker) -> None:
        try:
            window.close()
        except Exception as error:
            self._threads.fail(window.label, error)

    def _abandon_stuck(self) -> None:
        self._outputs.abandon_stuck()
        stopped_at = self._stopped_at
        if stopped_at is None:
            return
        since_s = time.monotonic() - stopped_at
        if since_s > _DRAIN_S:
            if self._ring is not None:
                self._ring.abort()
            elif self._threads.awaits("capture"):
                # Still connecting: nothing is lost, and its own time-out ends it soon.
                self._threads.abandon("capture")
        if since_s > self._stall_s:
            for stage in ("capture", "matting", self._switching.stage):
                if self._threads.awaits(stage):
                    self._leave(stage)

    def _leave(self, stage: str) -> None:
        """Abandon a stage that did not end after a stop; no failure, for an end was wanted."""
        self._threads.abandon(stage)
        logger.warning("%s: has not stopped within %g s: not waited for", stage, self._stall_s)
        if stage == "matting":
            self._switching.close()
            if self._ring is not None:
                self._ring.abort()
            self._mattes.in_hand.forfeit()
            self._outputs.end()


def _statistics_of(worker: SinkWorker) -> dict[str, Any]:
    """Those of its sink; none if they cannot be had, so that all else can still be told."""
    try:
        return worker.sink.statistics()
    except Exception as error:
        logger.warning("%s: has no statistics: %s", worker.label, error or type(error).__name__)
        return {}
