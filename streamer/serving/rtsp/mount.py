"""
One path of the server: encoded packets in from any thread, RTP out to its viewers.

Packets cross to the server's thread through a bounded inbox. There an access unit is cut into
payloads once, and each viewer puts its own headers in front of them.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from streamer.errors import SinkError
from streamer.events import Tell, nobody
from streamer.packets import AudioPacket, AudioTrack, VideoPacket, VideoTrack
from streamer.serving.rtsp.audio import AudioFormat, audio_format
from streamer.serving.rtsp.limits import Limits
from streamer.serving.rtsp.rtp import VIDEO_CLOCK, VIDEO_TYPE, Payload, packetise
from streamer.serving.rtsp.sdp import describe

VIDEO, AUDIO = 0, 1
"""Track numbers, as in the control URLs."""
_KEY_INTERVAL_S = 0.25
_KEY_PATIENCE_S = 1.0

Wake = Callable[[Callable[[], None]], None]
"""Runs a function in the server's thread, soon. Any thread may call it; it does not wait."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One encoded packet, ready for every viewer."""

    track: int
    key: bool
    pts: int
    time_base: Fraction
    timestamp: int
    """Clock ticks of its track on the mount's timeline, not yet modulo 2**32."""
    payloads: list[Payload]


@dataclass(frozen=True, slots=True)
class _Content:
    """The tracks of a mount."""

    video: VideoTrack
    audio: AudioFormat | None
    audio_base: Fraction
    """Time base of the audio packets; unused without audio."""


@dataclass(frozen=True, slots=True)
class ClockPoint:
    """One moment by two clocks: the media's and the monotonic one."""

    pts: int
    time_base: Fraction
    captured_ns: int

    def ticks(self, rate: int, now_ns: int) -> int:
        """The media's time at *now_ns*, in ticks of *rate* Hz."""
        since = (now_ns - self.captured_ns) * rate // 1_000_000_000
        return ticks(self.pts, self.time_base, rate) + since


def ticks(pts: int, time_base: Fraction, rate: int) -> int:
    """*pts* in ticks of *rate* Hz, rounded down."""
    return pts * time_base.numerator * rate // time_base.denominator


class KeyRequests:
    """Whether the next frame should be a key frame. Thread-safe."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._wanted = False
        self._taken_s = float("-inf")

    def ask(self) -> None:
        """Ask for a key frame: a viewer waits for one."""
        with self._lock:
            self._wanted = True

    def ask_again(self) -> None:
        """Ask again: a viewer still waits, and the last request was taken a while ago."""
        with self._lock:
            if self._now() - self._taken_s > _KEY_PATIENCE_S:
                self._wanted = True

    def fulfil(self) -> None:
        """Withdraw the request: a key frame went to all who waited."""
        with self._lock:
            self._wanted = False

    def take(self) -> bool:
        """Take the request, if any; at most four a second, so that joins cannot ruin the stream."""
        with self._lock:
            if not self._wanted or self._now() - self._taken_s < _KEY_INTERVAL_S:
                return False
            self._wanted = False
            self._taken_s = self._now()
            return True


class Viewer(Protocol):
    """Whoever plays a mount: a `Session`. For the server's thread."""

    @property
    def waits(self) -> bool:
        """Whether it needs a key frame before anything else."""
        ...

    def offer(self, unit: Unit) -> None:
        """Send it *unit*, or drop that where it is too slow."""
        ...

    def await_key(self) -> None:
        """Send nothing more before the next key frame."""
        ...


class Mount:
    """
    A stream to watch; made by `RtspServer.mount`.

    `begin`, `send_video`, `send_audio`, `watched`, `take_key_request`, `statistics` and `close` may
    be called from any thread and do not wait. Everything else is for the server's thread.

    Until `begin` its path is reserved, and viewers are told to try again later.
    """

    def __init__(
        self,
        path: str,
        limits: Limits,
        *,
        wake: Wake,
        leave: Callable[[Mount], None],
        tell: Tell = nobody,
    ) -> None:
        self.path = path
        self.tell = tell
        self.keys = KeyRequests()
        self.viewers: set[Viewer] = set()
        """The sessions that play; for the server's thread."""
        self.clock: ClockPoint | None = None
        """The newest clock point; for the server's thread."""
        self._content: _Content | None = None
        self._limits = limits
        self._wake = wake
        self._leave = leave
        self._identity = secrets.randbits(31)
        self._inbox: deque[VideoPacket | AudioPacket] = deque()
        self._awake = False
        self._spilled = False
        self._closed = False
        self.joined = 0
        self.packets_sent = 0
        self.bytes_sent = 0
        self.packets_dropped = 0
        self._inbox_dropped = 0

    def __repr__(self) -> str:
        return f"Mount({self.path}, {len(self.viewers)} viewers)"

    def begin(self, video: VideoTrack, audio: AudioTrack | None = None) -> None:
        """
        Set its tracks, once, and let viewers in.

        Raises:
            SinkError: the audio cannot be relayed, or it has begun.
        """
        if self._content is not None:
            raise SinkError(f"{self.path}: a stream begins once: close the mount and make another")
        # In one assignment: the server's thread must never see a part of it.
        self._content = _Content(
            video,
            audio_format(audio) if audio else None,
            audio.time_base if audio else Fraction(1),
        )

    @property
    def begun(self) -> bool:
        """Whether its tracks are known."""
        return self._content is not None

    def send_video(self, packet: VideoPacket) -> None:
        """Hand over one access unit, after `begin`; its bytes are kept until they are sent."""
        self._hand_over(packet)

    def send_audio(self, packet: AudioPacket) -> None:
        """Hand over one packet of audio, after `begin`; ignored where there was none."""
        if self._content is not None and self._content.audio is not None:
            self._hand_over(packet)

    @property
    def watched(self) -> bool:
        """Whether any viewer plays now."""
        return bool(self.viewers)

    def take_key_request(self) -> bool:
        """Whether the encoder should make its next frame a key frame: a viewer waits for one."""
        return self.keys.take()

    def statistics(self) -> dict[str, Any]:
        """
        `{path, viewers, viewers_in_all, packets_sent, bytes_sent, packets_dropped, inbox_dropped}`.

        Packets and bytes are those of RTP and RTCP, to all viewers together. `packets_dropped`
        counts the RTP packets for which a viewer was too slow. `inbox_dropped` counts encoded
        packets for which the server's thread was too slow.
        """
        return {
            "path": self.path,
            "viewers": len(self.viewers),
            "viewers_in_all": self.joined,
            "packets_sent": self.packets_sent,
            "bytes_sent": self.bytes_sent,
            "packets_dropped": self.packets_dropped,
            "inbox_dropped": self._inbox_dropped,
        }

    def close(self) -> None:
        """Say good-bye to the viewers and free the path. Idempotent."""
        if not self._closed:
            self._closed = True
            self._inbox.clear()
            self._leave(self)

    def description(self, address: str) -> bytes:
        """Its SDP, for a viewer that reaches the server at *address*."""
        content = self._begun_with()
        return describe(self.path, address, self._identity, content.video, content.audio)

    @property
    def tracks(self) -> tuple[int, ...]:
        """The numbers of its tracks."""
        return (VIDEO,) if self._begun_with().audio is None else (VIDEO, AUDIO)

    def format_of(self, track: int) -> tuple[int, int]:
        """Payload type and clock rate of *track*."""
        audio = self._begun_with().audio
        if track == VIDEO or audio is None:
            return VIDEO_TYPE, VIDEO_CLOCK
        return audio.payload_type, audio.clock_rate

    def deliver(self) -> None:
        """Empty the inbox to the viewers; in the server's thread."""
        self._awake = False
        while self._inbox:
            item = self._inbox.popleft()
            if self._spilled:
                # A packet is missing, and it is unknown before which of these: drop them all.
                self._inbox_dropped += 1
            elif isinstance(item, VideoPacket):
                self._deliver_video(item)
            else:
                self._deliver_audio(item)
        if self._spilled:
            self._spilled = False
            self._await_key()

    def _hand_over(self, packet: VideoPacket | AudioPacket) -> None:
        if self._closed or self._content is None:
            return
        if len(self._inbox) >= self._limits.inbox_packets:
            self._inbox_dropped += 1
            self._spilled = True
            return
        self._inbox.append(packet)
        # `deliver` lowers the flag before it empties the inbox, so no packet is ever overlooked.
        if not self._awake:
            self._awake = True
            self._wake(self.deliver)

    def _deliver_video(self, packet: VideoPacket) -> None:
        video = self._begun_with().video
        base = video.time_base
        self.clock = ClockPoint(packet.pts, base, packet.captured_ns)
        if not self.viewers:
            return
        timestamp = ticks(packet.pts, base, VIDEO_CLOCK)
        payloads = packetise(video.codec, packet.data)
        self._offer(Unit(VIDEO, packet.key, packet.pts, base, timestamp, payloads))
        if packet.key:
            self.keys.fulfil()
        elif any(viewer.waits for viewer in self.viewers):
            self.keys.ask_again()

    def _deliver_audio(self, packet: AudioPacket) -> None:
        content = self._begun_with()
        base = content.audio_base
        if content.audio is None:
            return
        if self.clock is None:
            self.clock = ClockPoint(packet.pts, base, time.monotonic_ns())
        if not self.viewers:
            return
        timestamp = ticks(packet.pts, base, content.audio.clock_rate)
        payloads = content.audio.packetise(packet.data)
        self._offer(Unit(AUDIO, False, packet.pts, base, timestamp, payloads))

    def _offer(self, unit: Unit) -> None:
        if unit.payloads:
            for viewer in list(self.viewers):
                viewer.offer(unit)

    def _begun_with(self) -> _Content:
        assert self._content is not None  # noqa: S101 - before, there are no viewers or packets
        return self._content

    def _await_key(self) -> None:
        for viewer in self.viewers:
            viewer.await_key()
