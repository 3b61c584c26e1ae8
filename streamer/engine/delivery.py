"""
From the matting stage to the sinks: deliveries, and one worker with a bounded queue for each sink.

In a live stream a slow sink holds up no other: its full queue drops the oldest delivery. For a file
the matting stage waits, and nothing is lost.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import partial

from streamer.core.metrics import DropReason, Metrics
from streamer.engine.ring import Lease
from streamer.errors import SinkError, StopRequested, StreamerError
from streamer.frame import Matte, StreamInfo
from streamer.packets import AudioPacket
from streamer.protocols import AudioSink, EarlySink, ProgressingSink, Sink, WindowSink

_MOST_AUDIO = 4096
"""Packets that may wait for their frames: more than a minute's."""
_AHEAD_S = 3
"""Audio this far ahead, of its frame and of the newest audio, must be on another clock."""


class InHand:
    """
    Counts the frames that the matting stage holds: neither delivered nor dropped yet.

    The stage takes and gives them; whoever abandons it forfeits them. Thread-safe.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._held = 0
        self._forfeited = False
        self._lock = threading.Lock()

    def take(self) -> None:
        """One more frame is being worked on."""
        with self._lock:
            if self._forfeited:
                self._metrics.drop("stale")
            else:
                self._held += 1

    def give(self) -> bool:
        """One goes on to the sinks; false if it was forfeited meanwhile."""
        with self._lock:
            if not self._forfeited:
                self._held -= 1
            return not self._forfeited

    def forfeit(self) -> None:
        """Count all of them, and each that is taken later, as dropped: none reaches a sink."""
        with self._lock:
            held, self._held, self._forfeited = self._held, 0, True
        for _ in range(held):
            self._metrics.drop("stale")


class Delivery:
    """
    One frame and its matte on their way to every sink; holds the ring's lease until all are done.

    It counts as emitted when at least one sink took it, else as dropped for the reason that the
    last sink gave. A stand-by frame counts as `standby` if a sink took it, else not. Thread-safe.
    """

    def __init__(
        self, lease: Lease, matte: Matte, receivers: Iterable[SinkWorker], metrics: Metrics
    ) -> None:
        lease.retain()
        self.frame = lease.frame
        self.matte = matte
        self._lease = lease
        self._pending = set(receivers)
        self._taken = False
        self._metrics = metrics
        self._lock = threading.Lock()

    def done(self, receiver: SinkWorker, refused: DropReason | None = None) -> None:
        """
        Note that *receiver* has finished with it; *refused* says why it did not take it.

        Only the first call per receiver has an effect: a sink that was given up may still return
        from its call later.
        """
        with self._lock:
            if receiver not in self._pending:
                return
            self._pending.remove(receiver)
            self._taken = self._taken or refused is None
            last = not self._pending
        if last:
            standby = self.frame.stamp.standby
            if self._taken:
                self._metrics.count("standby" if standby else "emitted")
            elif not standby:
                self._metrics.drop(refused or "stale")
            self._lease.release()


class SinkWorker:
    """
    Feeds one sink from a bounded queue.

    Args:
        sink: opened, written and closed by one thread: `loop`'s, or for a window the main one.
        number: its place among all sinks, as in the stage's name `sinks[0] record`.
        depth: how many deliveries may wait.
        metrics: for the latencies of writing and end to end.

    `put`, `end` and `give_up` may be called by any thread.
    """

    def __init__(self, sink: Sink, number: int, depth: int, metrics: Metrics) -> None:
        self.number = number
        self.label = f"sinks[{number}] {sink.name}"
        self.hosted = isinstance(sink, WindowSink)
        self.dropped = 0
        self._listens = isinstance(sink, AudioSink)
        self._audio: deque[AudioPacket] = deque()
        self._audio_base = Fraction(1)
        self._sink = sink
        self._depth = depth
        self._latency = metrics.latency_of_sink((number, sink.name), "write")
        self._end_to_end = metrics.latency_of_sink((number, sink.name), "end_to_end")
        self._queue: deque[Delivery] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._gone = False
        self._writing: Delivery | None = None
        self._live = False
        self.opened = False
        self._busy_since_ns: int | None = None

    @property
    def sink(self) -> Sink:
        """The sink."""
        return self._sink

    @property
    def waiting(self) -> int:
        """Deliveries in its queue."""
        return len(self._queue)

    def busy_s(self) -> float:
        """Seconds that the sink has been in a call without progress; 0 outside of calls."""
        since_ns = self._busy_since_ns
        if since_ns is None:
            return 0.0
        if isinstance(self._sink, ProgressingSink):
            since_ns = max(since_ns, self._sink.progress_ns)
        return (time.monotonic_ns() - since_ns) / 1e9

    def prepare(self) -> None:
        """Let an `EarlySink` take what it can before the source is open. Raises SinkError."""
        if isinstance(self._sink, EarlySink):
            self.opened = True
            self._call(self._sink.prepare)

    def open(self, info: StreamInfo) -> None:
        """Open the sink. Raises SinkError."""
        self._live = info.live
        if info.audio is not None:
            self._audio_base = info.audio.time_base
        self.opened = True
        self._call(lambda: self._sink.open(info))

    def put(self, delivery: Delivery, *, patient: bool = False) -> None:
        """
        Queue one delivery. If the queue is full, wait (file) or drop the oldest (live stream).

        A *patient* delivery always waits for room: it is one of several that were ready at once.
        """
        refused: Delivery | None = None
        reason: DropReason = "stale"
        with self._changed:
            if patient or not self._live:
                self._changed.wait_for(lambda: len(self._queue) < self._depth or self._gone)
            if self._gone:
                refused = delivery
            else:
                if len(self._queue) >= self._depth:
                    refused, reason = self._queue.popleft(), "sink_full"
                    self.dropped += 1
                self._queue.append(delivery)
                self._changed.notify_all()
        if refused is not None:
            refused.done(self, reason)

    def put_audio(self, packets: Iterable[AudioPacket]) -> None:
        """Keep *packets* until the frames that they go with are written; ignored by most sinks."""
        if not self._listens:
            return
        for packet in packets:
            self._audio.append(packet)
        while len(self._audio) > _MOST_AUDIO:
            self._audio.popleft()

    def end(self) -> None:
        """No more deliveries will come; what waits is still written."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def give_up(self) -> None:
        """Refuse all deliveries, waiting and to come: the sink failed, hangs or wants no more."""
        with self._changed:
            self._gone = True
            waiting = list(self._queue)
            if self._writing is not None:
                waiting.append(self._writing)
            self._queue.clear()
            self._changed.notify_all()
        for delivery in waiting:
            delivery.done(self, "stale")

    def loop(self) -> None:
        """Write until the end. Raises SinkError, StopRequested."""
        while (delivery := self._take(timeout=None)) is not None:
            self._write(delivery)
        if not self._gone:
            self._write_audio(None)

    def step(self, timeout: float, *, stopping: bool) -> bool:
        """
        Serve a window once: write a delivery that waits, or let it handle its events.

        Args:
            timeout: seconds to wait for a delivery.
            stopping: the stream is ending, and a paused window must not hold it up.

        Returns:
            Whether more may come.

        Raises:
            SinkError, StopRequested.
        """
        window = self._sink
        assert isinstance(window, WindowSink)  # noqa: S101
        if window.paused and not stopping:
            if self._live and (held := self._take(timeout=0)) is not None:
                held.done(self)
            time.sleep(timeout)
            self._call(window.pump)
        elif (delivery := self._take(timeout)) is not None:
            self._write(delivery)
        else:
            self._call(window.pump)
        with self._changed:
            return bool(self._queue) or not (self._ended or self._gone)

    def close(self) -> None:
        """Finish the sink, if it was opened. Raises SinkError."""
        self.give_up()
        if self.opened:
            self.opened = False
            self._call(self._sink.close)

    def _take(self, timeout: float | None) -> Delivery | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._ended or self._gone, timeout)
            if not self._queue:
                return None
            delivery = self._queue.popleft()
            self._changed.notify_all()
        return delivery

    def _write(self, delivery: Delivery) -> None:
        self._writing = delivery
        started_ns = time.monotonic_ns()
        try:
            self._call(lambda: self._sink.write(delivery.frame, delivery.matte))
        except BaseException:
            delivery.done(self, "stale")
            raise
        finally:
            self._writing = None
        stamp = delivery.frame.stamp
        if not stamp.standby:
            ended_ns = time.monotonic_ns()
            self._latency.record(ended_ns - started_ns)
            self._end_to_end.record(ended_ns - stamp.captured_ns)
        delivery.done(self)
        self._write_audio(stamp.pts * stamp.time_base)

    def _write_audio(self, until_s: Fraction | None) -> None:
        """Write the audio that waits, up to *until_s*; None: all of it."""
        sink = self._sink
        while self._audio and isinstance(sink, AudioSink):
            packet = self._audio[0]
            at_s = packet.pts * self._audio_base
            if until_s is not None and at_s > until_s and not self._is_astray(at_s, until_s):
                return
            self._audio.popleft()
            if until_s is None or at_s <= until_s:
                self._call(partial(sink.write_audio, packet))

    def _is_astray(self, at_s: Fraction, until_s: Fraction) -> bool:
        """Whether audio at *at_s* is on another clock, and would only hold up the audio after."""
        newest_s = self._audio[-1].pts * self._audio_base
        return at_s - max(until_s, newest_s) > _AHEAD_S

    def _call(self, function: Callable[[], None]) -> None:
        self._busy_since_ns = time.monotonic_ns()
        try:
            function()
        except (StreamerError, StopRequested):
            raise
        except OSError as error:
            raise SinkError(f"{error.strerror or error}") from error
        finally:
            self._busy_since_ns = None
