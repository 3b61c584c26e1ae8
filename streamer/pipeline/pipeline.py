"""
The lifecycle of the threads: started together, stopped by draining, and the first failure wins.

Who waits for whom: capture for room in the ring, matting for a frame and (files only) for room in
each sink's queue, a sink for its deliveries. Whoever supervises, `run` or `join`, waits for all,
and for none longer than `stall_s`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Self

from streamer.clock import Clock, SystemClock
from streamer.errors import (
    EndOfStream,
    SinkStuck,
    SourceError,
    StageFailed,
    StopRequested,
)
from streamer.frame import StreamInfo
from streamer.metrics import REPORT_VERSION, Metrics, peak_rss_mb
from streamer.pipeline.capture import CaptureStage
from streamer.pipeline.delivery import Delivery, SinkWorker
from streamer.protocols import Matting, Sink, Source
from streamer.ring import DropPolicy, FrameRing, RingStatistics

logger = logging.getLogger("streamer.pipeline")

_DRAIN_S = 2.0
"""For how long after a stop the frames that wait still get their mattes."""

_TICK_S = 0.01
"""How often the supervisor looks."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """A snapshot of a running pipeline."""

    frames: dict[str, int]
    """`captured`, `inferred`, `propagated`, `empty`, `emitted`."""
    drops: dict[str, int]
    """By reason; see `DropReason`."""
    ring: RingStatistics | None
    """None until the source is open."""
    running: bool
    """Whether any stage still works."""


class _InHand:
    """Whether the matting stage holds a frame that nobody has counted yet. Thread-safe."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._held = False
        self._lock = threading.Lock()

    def take(self) -> None:
        """A frame is being worked on."""
        with self._lock:
            self._held = True

    def give(self) -> bool:
        """It goes on to the sinks; false where it was forfeited meanwhile."""
        with self._lock:
            held, self._held = self._held, False
        return held

    def forfeit(self) -> None:
        """It will reach no sink: count it, once."""
        if self.give():
            self._metrics.drop("stale")


class Pipeline:
    """
    One stream from a source over mattes to sinks.

    Args:
        source: where frames come from; owned.
        matting: how they get their mattes; owned.
        sinks: where they go, one at least; owned. A window is served by `run` on the main thread.
        ring_capacity: frames that may wait for their matte.
        sink_queue: mattes that may wait for each sink.
        stall_s: seconds after which a sink that does not return, or a stage that does not stop,
            counts as stuck; it is then abandoned, for a thread cannot be killed.
        metrics: where to count; shared with composers that time themselves.
        clock: time, for tests to pass in.

    A context manager: leaving it stops and joins. `request_stop` may be called in a signal
    handler, `stop`, `abort`, `statistics` and `report` by any thread.
    """

    def __init__(
        self,
        source: Source,
        matting: Matting,
        sinks: Sequence[Sink],
        *,
        ring_capacity: int = 4,
        sink_queue: int = 2,
        stall_s: float = 8.0,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not sinks:
            raise ValueError("a pipeline needs a sink")
        self._source = source
        self._matting = matting
        self._stall_s = stall_s
        self._capacity = ring_capacity
        self._leases = 1 + len(sinks) * (sink_queue + 1)
        self._metrics = metrics or Metrics()
        self._workers = [
            SinkWorker(sink, f"sinks[{number}] {sink.name}", sink_queue, self._metrics)
            for number, sink in enumerate(sinks)
        ]
        self._stop_wanted = False
        self._stopping = threading.Event()
        self._opened = threading.Event()
        self._ready = threading.Event()
        self._capture = CaptureStage(
            source,
            self._metrics,
            clock or SystemClock(),
            stop=self._stopping,
            ready=self._ready,
        )
        self._info: StreamInfo | None = None
        self._ring: FrameRing | None = None
        self._threads: dict[str, threading.Thread] = {}
        self._window: SinkWorker | None = None
        self._abandoned: list[str] = []
        self._failure: StageFailed | None = None
        self._in_hand = _InHand(self._metrics)
        self._lock = threading.Lock()
        self._stopped_at: float | None = None
        self._started_at: float | None = None
        self._ended_at: float | None = None

    def start(self) -> None:
        """
        Start the threads and return.

        Raises:
            RuntimeError: it was started before, or has a window, which needs `run`.
        """
        if any(worker.hosted for worker in self._workers):
            raise RuntimeError("a window needs the main thread: call run()")
        self._start()

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
            self._start()
            self._supervise(should_stop)
        except BaseException:
            self.abort()
            self._supervise(None)
            raise
        self._raise_failure()
        return self.report()

    def request_stop(self) -> None:
        """Ask for a stop without taking a lock: for signal handlers. Takes effect in `run`."""
        self._stop_wanted = True

    def stop(self) -> None:
        """End the stream: no more frames are read, those that wait are worked off."""
        with self._lock:
            self._stopped_at = self._stopped_at or time.monotonic()
            ring = self._ring
        self._stopping.set()
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
        self._raise_failure()

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Stages stuck in a call that never returned; their threads keep the process alive."""
        return tuple(self._abandoned)

    def statistics(self) -> Statistics:
        """What has been counted so far."""
        ring = self._ring
        return Statistics(
            self._metrics.frames(),
            self._metrics.drops(),
            ring.statistics() if ring is not None else None,
            any(thread.is_alive() for thread in self._threads.values()),
        )

    def report(self) -> dict[str, Any]:
        """The run report as plain JSON values; see docs/report.md."""
        summary = self._metrics.summary()
        ended = self._ended_at or time.monotonic()
        wall_s = ended - (self._started_at or ended)
        model = self._matting.info
        info = self._info
        return {
            "version": REPORT_VERSION,
            "source": {
                "name": self._source.name,
                "width": info.width if info else None,
                "height": info.height if info else None,
                "live": info.live if info else None,
            },
            **summary,
            "fps": round(summary["frames"]["emitted"] / wall_s, 3) if wall_s > 0 else 0.0,
            "wall_s": round(wall_s, 3),
            "reconnects": 0,
            "model": asdict(model) if model is not None else None,
            "rss_peak_mb": peak_rss_mb(),
            "sinks": [
                {**worker.sink.statistics(), "dropped": worker.dropped} for worker in self._workers
            ],
            "error": str(self._failure) if self._failure else None,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if not self._threads:
            return
        if failure[0] is None:
            self.stop()
            if self._ended_at is None:
                self.join()
        else:
            self.abort()
            self._supervise(None)

    def _start(self) -> None:
        if self._threads:
            raise RuntimeError("a pipeline runs once")
        self._spawn("capture", self._run_capture)
        self._spawn("matting", self._run_matting)
        for worker in self._workers:
            if worker.hosted:
                self._window = worker
            else:
                self._spawn(worker.label, partial(self._run_sink, worker))

    def _spawn(self, stage: str, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except StopRequested:
                self.stop()
            except BaseException as error:
                self._fail(stage, error)

        thread = threading.Thread(target=guarded, name=f"streamer-{stage}", daemon=False)
        self._threads[stage] = thread
        thread.start()

    def _fail(self, stage: str, error: BaseException) -> None:
        self._keep_failure(stage, error)
        self.abort()

    def _keep_failure(self, stage: str, error: BaseException) -> None:
        with self._lock:
            if self._failure is None:
                self._failure = StageFailed(stage, error)
            else:
                logger.warning("after the first failure, %s: %s", stage, error)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run_capture(self) -> None:
        try:
            info = self._source.open()
            policy = DropPolicy.DROP_OLDEST if info.live else DropPolicy.BLOCK
            ring = FrameRing(
                self._capacity, policy, leases=self._leases, on_drop=self._metrics.drop
            )
            with self._lock:
                self._info, self._ring = info, ring
            self._opened.set()
            if self._stopping.is_set():
                return
            self._capture.run(info, ring)
        except Exception as error:
            if self._stopping.is_set() and isinstance(error, SourceError):
                logger.info("while stopping, capture: %s", error)
            else:
                # No abort: the frames that were captured are good, and are worked off.
                self._keep_failure("capture", error)
        finally:
            if self._ring is not None:
                self._ring.close()
            self._opened.set()
            self._source.close()

    def _run_matting(self) -> None:
        try:
            self._matting.warm_up()
            self._started_at = time.monotonic()
            self._ready.set()
            self._opened.wait()
            if self._ring is not None:
                self._make_mattes(self._ring)
        finally:
            for worker in self._workers:
                worker.end()
            self._matting.close()

    def _make_mattes(self, ring: FrameRing) -> None:
        waiting, infer = self._metrics.latency("wait"), self._metrics.latency("infer")
        while True:
            try:
                lease = ring.take()
            except EndOfStream:
                return
            with lease:
                started_ns = time.monotonic_ns()
                waiting.record(started_ns - lease.frame.stamp.captured_ns)
                self._in_hand.take()
                try:
                    matte = self._matting.matte(lease.frame, lease.alpha)
                except BaseException:
                    self._in_hand.forfeit()
                    raise
                if not self._in_hand.give():
                    return
                infer.record(time.monotonic_ns() - started_ns)
                self._metrics.count(matte.origin)
                self._metrics.matte_age(matte.age)
                delivery = Delivery(lease, matte, self._workers, self._metrics)
                for worker in self._workers:
                    worker.put(delivery)

    def _run_sink(self, worker: SinkWorker) -> None:
        try:
            self._opened.wait()
            if self._info is not None:
                worker.open(self._info)
                worker.loop()
        except StopRequested:
            self.stop()
        except BaseException as error:
            self._fail(worker.label, error)
        finally:
            worker.close()

    def _supervise(self, should_stop: Callable[[], bool] | None) -> None:
        """Wait for every stage, serving the window meanwhile; stop, and abandon, when due."""
        window = self._window
        while window is not None or self._alive():
            if self._stop_wanted or (should_stop is not None and should_stop()):
                self.stop()
            self._abandon_stuck()
            if window is None:
                time.sleep(_TICK_S)
                continue
            try:
                more = self._serve(window)
            except StopRequested:
                self.stop()
                more = False
            except Exception as error:
                self._fail(window.label, error)
                more = False
            if not more:
                self._window = None
                self._close_window(window)
                window = None
        self._ended_at = self._ended_at or time.monotonic()

    def _serve(self, window: SinkWorker) -> bool:
        """Give the window a turn; false when there is nothing more for it."""
        if window.opened:
            return window.step(
                _TICK_S, stopping=self._stopping.is_set() or self._failure is not None
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
            self._fail(window.label, error)

    def _alive(self) -> bool:
        return any(
            thread.is_alive()
            for stage, thread in self._threads.items()
            if stage not in self._abandoned
        )

    def _abandon_stuck(self) -> None:
        for worker in self._workers:
            if worker.hosted or worker.label in self._abandoned:
                continue
            if worker.busy_s() > self._stall_s:
                self._abandoned.append(worker.label)
                self._fail(
                    worker.label,
                    SinkStuck(
                        f"a call has not returned for {self._stall_s:g} s; "
                        "is its disk or server still there? pipeline.stall_s is the limit"
                    ),
                )
                worker.give_up()
        stopped_at = self._stopped_at
        if stopped_at is None:
            return
        since_s = time.monotonic() - stopped_at
        if since_s > _DRAIN_S:
            if self._ring is not None:
                self._ring.abort()
            elif self._threads["capture"].is_alive() and "capture" not in self._abandoned:
                # Still connecting: nothing is lost, and its own time-out ends it soon.
                self._abandoned.append("capture")
        if since_s > self._stall_s:
            for stage in ("capture", "matting"):
                if self._threads[stage].is_alive() and stage not in self._abandoned:
                    self._leave(stage)

    def _leave(self, stage: str) -> None:
        """Stop waiting for a stage that a stop has not ended; no failure, for an end was wanted."""
        self._abandoned.append(stage)
        logger.warning("%s: has not stopped within %g s: not waited for", stage, self._stall_s)
        if stage == "matting":
            if self._ring is not None:
                self._ring.abort()
            self._in_hand.forfeit()
            for worker in self._workers:
                worker.end()
