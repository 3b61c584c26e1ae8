"""
Publishing to a media server that is already there: RTSP, RTMP or WHIP.

A `Publisher` never holds its callers up, whatever the server does, and comes back when the server
does. The connection lives in a child process (`child`), which can be killed.
"""

from __future__ import annotations

import logging
import random as system_random
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, TypedDict

from streamer.core.backoff import Backoff
from streamer.core.clock import Clock, SystemClock
from streamer.core.cpu import name_beside
from streamer.errors import SinkError
from streamer.packets import AudioPacket, AudioTrack, VideoPacket, VideoTrack
from streamer.serving.publishing.attempt import Attempt
from streamer.serving.publishing.outbox import Outbox
from streamer.serving.publishing.target import Target
from streamer.serving.publishing.wire import Hello

_log = logging.getLogger("streamer.serving.publishing")
_HEALTHY_NS = 10_000_000_000
"""A connection that lasted so long resets the waits: its failure counts as the first."""
_TICK_S = 0.1
"""The longest wait between two looks at the clock."""

State = Literal["connecting", "live", "reconnecting", "ended"]


class PublisherStatistics(TypedDict):
    """A publisher at one moment."""

    state: State
    restarts: int
    """Children started after the first."""
    packets: int
    """Video and audio packets that the muxer took."""
    bytes: int
    """In those packets."""
    drops: int
    """Packets that were given and will never be sent, for whatever reason."""
    last_error: str | None
    """Why the latest child ended, free of credentials; None if none failed."""


class Publisher:
    """
    One stream on its way to one server, started and closed once.

    `start`, then `send_video` and `send_audio` from any thread, then `close` always. Packets are
    borrowed and never changed. What cannot be sent in time is dropped and counted, up to the next
    key frame.
    """

    def __init__(
        self,
        target: Target,
        video: VideoTrack,
        audio: AudioTrack | None = None,
        *,
        queue_packets: int = 128,
        queue_bytes: int = 8 << 20,
        stall_s: float = 5.0,
        first_s: float = 1.0,
        max_s: float = 30.0,
        clock: Clock | None = None,
        random: Callable[[], float] = system_random.random,
    ) -> None:
        """
        Nothing is connected before `start`.

        Args:
            target: where to; see `parse_target`.
            video: the video track.
            audio: the audio track, or None for a stream without.
            queue_packets: how many packets may wait; when there are more, all are dropped.
            queue_bytes: how many bytes may wait; when there are more, all packets are dropped.
            stall_s: how long connecting, and then every packet, may take before the child is
                killed and started anew.
            first_s: the wait after a failure; doubled after each further one.
            max_s: the longest wait after a failure.
            clock: tells when a stall or a wait is over.
            random: uniform in [0, 1); spreads the waits.
        """
        self._target = target
        self._video = video
        self._audio = audio
        self._stall_ns = round(stall_s * 1e9)
        self._clock = clock or SystemClock()
        self._outbox = Outbox(video, audio, queue_packets, queue_bytes)
        self._backoff = Backoff(first_s, max_s, random)
        self._lock = threading.Lock()
        self._waker: tuple[socket.socket, socket.socket] | None = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._close_at_s = 0.0
        self._state: State = "connecting"
        self._starts = 0
        self._packets = self._bytes = self._lost = 0
        self._last_error: str | None = None
        self._failure: SinkError | None = None

    def __repr__(self) -> str:
        return f"Publisher({self._target.name}, {self._state})"

    @property
    def name(self) -> str:
        """How the server is called in messages; free of credentials."""
        return self._target.name

    def start(self) -> None:
        """
        Begin to connect, and return at once.

        Raises:
            SinkError: it was started or closed before.
        """
        with self._lock:
            if self._thread is not None or self._closing.is_set():
                raise SinkError(f"{self.name}: a publisher is started once")
            self._waker = socket.socketpair()
            for end in self._waker:
                end.setblocking(False)
            # Not a daemon: it is joined by `close`.
            self._thread = threading.Thread(target=self._run, name=name_beside("publisher"))
            self._thread.start()
        if self._target.unverified:
            _log.warning(
                "%s: its certificate is not verified: FFmpeg can verify that of rtsps:// only "
                "(tls_verify: false accepts this)",
                self.name,
            )

    def send_video(self, packet: VideoPacket) -> None:
        """
        Send *packet* when its turn comes, or drop it. Any thread; never waits.

        Raises:
            SinkError: the stream can never be sent, as when PyAV lacks the protocol. Not raised
                when the server is just away.
        """
        self._send(packet)

    def send_audio(self, packet: AudioPacket) -> None:
        """Like `send_video`."""
        self._send(packet)

    def take_key_request(self) -> bool:
        """
        Whether the encoder should make its next frame a key frame; true once for each need.

        It is needed after connecting and after a drop. Any thread.
        """
        return self._outbox.take_key_request()

    def statistics(self) -> PublisherStatistics:
        """Its state and counts. After `close`, `packets` and `drops` cover every packet given."""
        with self._lock:
            return {
                "state": self._state,
                "restarts": max(self._starts - 1, 0),
                "packets": self._packets,
                "bytes": self._bytes,
                "drops": self._outbox.dropped + self._lost,
                "last_error": self._last_error,
            }

    def close(self, timeout_s: float = 2.0) -> None:
        """
        Send what waits and end the stream in order; if that takes too long, kill the child.

        Returns within *timeout_s*, give or take the kernel's own time. Idempotent.
        """
        with self._lock:
            if not self._closing.is_set():
                self._close_at_s = time.monotonic() + timeout_s
                self._closing.set()
            thread = self._thread
            self._outbox.seal()
            if thread is None:
                self._state = "ended"
        self._wake()
        if thread is not None:
            thread.join(timeout_s + 1.0)
            if thread.is_alive():
                _log.warning("%s: the publisher's thread does not end", self.name)

    def _send(self, packet: VideoPacket | AudioPacket) -> None:
        if self._failure is not None:
            raise SinkError(str(self._failure))
        if self._outbox.put(packet):
            self._wake()

    def _wake(self) -> None:
        with self._lock:
            if self._waker is not None:
                with suppress(BlockingIOError):  # full of wakes already
                    self._waker[1].send(b"\0")

    def _run(self) -> None:
        assert self._waker is not None  # noqa: S101 - made by `start`
        ends = wake, _ = self._waker
        try:
            while not self._closing.is_set() and self._failure is None:
                failure = self._publish(wake)
                if failure is not None and self._failure is None:
                    wait_s = self._backoff.pause_s()
                    _log.warning("%s; trying again in %.1f s", failure, wait_s)
                    self._pause(wait_s, wake)
        finally:
            with self._lock:
                self._outbox.shut()
                self._state = "ended"
                self._waker = None
            for end in ends:
                end.close()

    def _publish(self, wake: socket.socket) -> str | None:
        """Connect and send until it ends; returns why it failed, or None if an end was wanted."""
        target = self._target
        hello = Hello(target.url, target.muxer, target.options, self._video, self._audio)
        try:
            attempt = Attempt(target, hello, self._stall_ns, self._clock.now_ns())
        except OSError as error:
            return self._fail(f"{self.name}: no process can be started: {error.strerror}")
        self._starts += 1
        packets, size = self._packets, self._bytes
        try:
            while attempt.failure is None:
                if self._closing.is_set():
                    attempt.finish(self._outbox, max(self._close_at_s - time.monotonic(), 0.0))
                    return None
                if self._state == "live":
                    attempt.feed(self._outbox)
                attempt.pump(_TICK_S, wake.fileno(), self._clock.now_ns())
                _drain(wake)
                with self._lock:
                    self._packets, self._bytes = packets + attempt.packets, size + attempt.bytes
                    if attempt.live_ns is not None and self._state != "live":
                        self._go_live()
            if attempt.hopeless:
                self._failure = SinkError(attempt.failure)
            return self._fail(attempt.failure)
        finally:
            attempt.kill()
            with self._lock:
                self._outbox.shut()
                self._packets, self._bytes = packets + attempt.packets, size + attempt.bytes
                self._lost += attempt.lost
                self._state = "reconnecting" if attempt.live_ns else self._state
            if attempt.live_ns and self._clock.now_ns() - attempt.live_ns >= _HEALTHY_NS:
                self._backoff.reset()

    def _go_live(self) -> None:
        # If `close` was called meanwhile, it has sealed the outbox, which must stay so.
        if not self._closing.is_set():
            self._outbox.open()
            self._state = "live"
            _log.info("%s: connected", self.name)

    def _fail(self, failure: str) -> str:
        with self._lock:
            self._last_error = failure
        return failure

    def _pause(self, wait_s: float, wake: socket.socket) -> None:
        end_ns = self._clock.now_ns() + round(wait_s * 1e9)
        while not self._closing.is_set() and (left_ns := end_ns - self._clock.now_ns()) > 0:
            poll = select.poll()
            poll.register(wake, select.POLLIN)
            poll.poll(min(left_ns / 1e9, _TICK_S) * 1000)
            _drain(wake)


def _drain(wake: socket.socket) -> None:
    with suppress(BlockingIOError):
        while wake.recv(4096):
            pass
