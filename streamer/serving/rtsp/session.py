"""
One viewer's session: its tracks, their RTP numbering, and the queue in front of its carrier.

Used from the server's thread only.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from streamer.events import ViewerJoined, ViewerLeft
from streamer.serving.rtsp.carriers import Carrier, Packet, PacketQueue
from streamer.serving.rtsp.limits import Limits
from streamer.serving.rtsp.mount import VIDEO, Mount, Unit, ticks
from streamer.serving.rtsp.rtcp import goodbye, sender_report
from streamer.serving.rtsp.rtp import header

log = logging.getLogger("streamer.serving.rtsp")

_REPORT_S = 5.0


@dataclass(slots=True)
class _Stream:
    """One track as this viewer gets it."""

    track: int
    payload_type: int
    clock_rate: int
    ssrc: int
    sequence: int
    """Of the next packet, not yet modulo 2**16."""
    start: int
    """The RTP time that PLAY announces for the first packet, not yet modulo 2**32."""
    begin: int | None = None
    """The first packet's time on the mount's timeline; None until it comes."""
    last: int = 0
    """The newest packet's time on the mount's timeline."""
    packets: int = 0
    payload_bytes: int = 0
    report_due_s: float = 0.0

    def rtp_time(self, timestamp: int) -> int:
        """The viewer's RTP time for the mount's *timestamp*."""
        return self.start + timestamp - (self.begin or 0)

    def restart(self, paused_s: float) -> None:
        """Move the announced RTP time on, from the last packet's, by the time paused."""
        if self.begin is not None:
            self.start = self.rtp_time(self.last) + max(1, int(paused_s * self.clock_rate))
            self.begin = None
        self.report_due_s = 0.0


class Session:
    """
    A viewer, from SETUP to TEARDOWN.

    Args:
        mount: what it watches.
        address: the viewer's, for the log.
        limits: of the queue and the session's time-out.
        on_end: called once, when it has ended.
    """

    def __init__(
        self, mount: Mount, address: str, limits: Limits, on_end: Callable[[Session], None]
    ) -> None:
        self.identity = secrets.token_hex(16)
        self.mount = mount
        self.address = address
        self.carrier: Carrier | None = None
        self.playing = False
        self.joined = False
        """Whether it has ever played."""
        self.waits = False
        """Whether it plays, but gets nothing before the next key frame."""
        self.ended = False
        self._limits = limits
        self._on_end = on_end
        self._streams: dict[int, _Stream] = {}
        self._queue = PacketQueue()
        self._choked = False
        self._cname = secrets.token_urlsafe(12)
        self._seen_s = time.monotonic()
        self._paused_s = 0.0

    @property
    def tracks(self) -> tuple[int, ...]:
        """The tracks that are set up."""
        return tuple(self._streams)

    def add(self, track: int) -> int:
        """Add *track*; return its SSRC. Numbers begin at random (RFC 3550 section 5.1)."""
        payload_type, clock_rate = self.mount.format_of(track)
        self._streams[track] = _Stream(
            track,
            payload_type,
            clock_rate,
            ssrc=secrets.randbits(32),
            sequence=secrets.randbits(16),
            start=secrets.randbits(32),
        )
        return self._streams[track].ssrc

    def play(self) -> list[tuple[int, int, int]]:
        """
        Begin with the next key frame; return (track, sequence, RTP time) of the first packets.

        Returns an empty list if it plays already: its next packets' times are not known yet.
        """
        if self.playing:
            return []
        self.playing = True
        for stream in self._streams.values():
            stream.restart(time.monotonic() - self._paused_s)
        self.mount.viewers.add(self)
        self.await_key()
        if not self.joined:
            self.joined = True
            self.mount.joined += 1
            self._log("joined")
            self.mount.tell(ViewerJoined(self.mount.path, self.address))
        return [
            (stream.track, stream.sequence & 0xFFFF, stream.start & 0xFFFFFFFF)
            for stream in self._streams.values()
        ]

    def pause(self) -> None:
        """Send nothing until the next `play`; what waits in the queue is dropped."""
        self.playing = self.waits = False
        self.mount.viewers.discard(self)
        self._queue.clear()
        self._paused_s = time.monotonic()

    def await_key(self) -> None:
        """Send nothing before the next key frame, and ask for one; without video, just go on."""
        if VIDEO in self._streams and not self._choked:
            self.waits = True
            self.mount.keys.ask()

    def offer(self, unit: Unit) -> None:
        """Send *unit*, unless a key frame must come first or the queue is full. Never waits."""
        stream = self._streams.get(unit.track)
        if stream is None or (self.waits and not unit.key):
            return
        if self._choked:
            self.mount.packets_dropped += len(unit.payloads)
            return
        self.waits = False
        if stream.begin is None:
            # All tracks begin at the same moment of the mount's timeline, the first packet's, so
            # what PLAY announced for each of them is that very moment.
            for each in self._streams.values():
                each.begin = each.last = ticks(unit.pts, unit.time_base, each.clock_rate)
        if stream.begin is not None and unit.timestamp < stream.begin:
            return
        self._enqueue(unit, stream)
        self._flush()

    def has_room(self) -> None:
        """Go on: its carrier takes packets again."""
        if self._choked:
            self._choked = False
            if self.playing:
                self.await_key()
        self._flush()

    def touch(self) -> None:
        """Note a sign of life."""
        self._seen_s = time.monotonic()

    def expired(self) -> bool:
        """Whether its time is over. The connection of one that plays over TCP is a sign of life."""
        if self.playing and self.carrier is not None and self.carrier.name == "TCP":
            return False
        return time.monotonic() - self._seen_s > self._limits.session_timeout_s

    def end(self, reason: str) -> None:
        """Say good-bye for each track that was sent, and release everything. Idempotent."""
        if self.ended:
            return
        self.ended = True
        self.pause()
        for stream in self._streams.values():
            if stream.packets:
                self._queue.append((2 * stream.track + 1, goodbye(stream.ssrc, self._cname), b""))
        self._flush()
        self._queue.clear()
        if self.carrier is not None:
            self.carrier.close()
        if self.joined:
            self._log(f"left ({reason})")
            self.mount.tell(ViewerLeft(self.mount.path, self.address, reason))
        self._on_end(self)

    def _enqueue(self, unit: Unit, stream: _Stream) -> None:
        if self._overflows(unit):
            self._choke(len(unit.payloads))
            return
        stream.last = unit.timestamp
        # Also before the first packet: then a player knows from the start when it was captured.
        if (now_s := time.monotonic()) >= stream.report_due_s:
            stream.report_due_s = now_s + _REPORT_S
            self._queue.append(self._report(stream))
        timestamp = stream.rtp_time(unit.timestamp)
        for payload in unit.payloads:
            head = header(
                stream.payload_type,
                payload.marker,
                stream.sequence,
                timestamp + payload.delay,
                stream.ssrc,
            )
            self._queue.append((2 * stream.track, head + payload.prefix, payload.body))
            stream.sequence += 1
            stream.packets += 1
            stream.payload_bytes += payload.size

    def _report(self, stream: _Stream) -> Packet:
        clock = self.mount.clock
        assert clock is not None  # noqa: S101 - the mount sets it before it offers
        timestamp = clock.ticks(stream.clock_rate, time.monotonic_ns())
        report = sender_report(
            stream.ssrc,
            self._cname,
            time.time_ns(),
            stream.rtp_time(timestamp),
            stream.packets,
            stream.payload_bytes,
        )
        return (2 * stream.track + 1, report, b"")

    def _overflows(self, unit: Unit) -> bool:
        """Whether *unit* is too much for the queue; an empty queue takes any."""
        size = self._queue.size + sum(payload.size for payload in unit.payloads)
        packets = len(self._queue) + len(unit.payloads)
        full = size > self._limits.queue_bytes or packets > self._limits.queue_packets
        return full and len(self._queue) > 0

    def _choke(self, refused: int) -> None:
        """
        Drop the queue. Once the carrier takes packets again, the viewer goes on with a key frame.

        It is requested only then: a viewer that reads nothing must not cause key frames.
        """
        self.mount.packets_dropped += len(self._queue) + refused
        self._queue.clear()
        self._choked = True

    def _flush(self) -> None:
        packets, size = len(self._queue), self._queue.size
        if packets and self.carrier is not None:
            self.carrier.send(self._queue)
            self.mount.packets_sent += packets - len(self._queue)
            self.mount.bytes_sent += size - self._queue.size

    def _log(self, what: str) -> None:
        way = self.carrier.name if self.carrier is not None else "nothing"
        log.info(
            "%s: viewer %s over %s %s, %d now",
            self.mount.path,
            self.address,
            way,
            what,
            len(self.mount.viewers),
        )
