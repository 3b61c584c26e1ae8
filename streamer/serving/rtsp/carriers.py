"""
How RTP reaches one viewer: between the RTSP messages of its TCP connection, or over UDP.

A carrier takes packets from a queue as long as the network takes them, never waits, and says when
there is room again. Used from the server's thread only.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from streamer.serving.rtsp.rtcp import is_rtcp

Packet = tuple[int, bytes, bytes | memoryview]
"""Stream number (a track's RTP is even, its RTCP the odd one after), header, body."""

_FRAME = struct.Struct(">sBH")
_BATCH_BYTES = 64 << 10
_READS = 16
_PAIRS = 64
_SEND_BUFFER = 1 << 20
_PRIVILEGED = 1024
_GONE = (ConnectionRefusedError, ConnectionResetError)
"""Nobody listens at a UDP port, as POSIX and as Windows say it."""
_PAIR = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class TransportOffer:
    """The first of a viewer's proposed transports that we can serve."""

    protocol: str
    """As the viewer wrote it: `RTP/AVP`, `RTP/AVP/UDP` or `RTP/AVP/TCP`."""
    pair: tuple[int, int] | None
    """The viewer's UDP ports, or channels; None where it leaves the channels to us."""

    @property
    def interleaved(self) -> bool:
        """Whether packets go over the RTSP connection."""
        return self.protocol.upper().endswith("/TCP")


def choose_transport(value: str, *, udp: bool = True) -> TransportOffer | None:
    """
    Choose from a `Transport` header (RFC 2326 section 12.39); None if no offer can be served.

    `destination=` is ignored: packets go only to the viewer that asked for them, and never to
    privileged ports, where no player listens.
    """
    for alternative in value.split(","):
        protocol, *fields = (part.strip() for part in alternative.split(";"))
        named = {name.lower(): text for name, _, text in (f.partition("=") for f in fields)}
        if "multicast" in named or named.get("mode", "play").strip('"').lower() != "play":
            continue
        kind = protocol.upper()
        if kind == "RTP/AVP/TCP":
            channels = _numbers(named.get("interleaved", ""), 0, 255)
            if channels is not None or "interleaved" not in named:
                return TransportOffer(protocol, channels)
        elif kind in ("RTP/AVP", "RTP/AVP/UDP") and udp:
            ports = _numbers(named.get("client_port", ""), _PRIVILEGED, 65535)
            if ports is not None:
                return TransportOffer(protocol, ports)
    return None


def _numbers(text: str, low: int, high: int) -> tuple[int, int] | None:
    match = _PAIR.fullmatch(text)
    if match is None:
        return None
    first = int(match[1])
    second = int(match[2]) if match[2] else first + 1
    return (
        (first, second)
        if first != second and low <= min(first, second) and max(first, second) <= high
        else None
    )


class PacketQueue:
    """The packets that wait for one viewer, and their size."""

    def __init__(self) -> None:
        self._packets: deque[Packet] = deque()
        self.size = 0
        """Bytes."""

    def __len__(self) -> int:
        return len(self._packets)

    def append(self, packet: Packet) -> None:
        """Put *packet* last."""
        self._packets.append(packet)
        self.size += len(packet[1]) + len(packet[2])

    def popleft(self) -> Packet:
        """Take the first one."""
        packet = self._packets.popleft()
        self.size -= len(packet[1]) + len(packet[2])
        return packet

    def push_back(self, packet: Packet) -> None:
        """Put *packet* first: it could not be sent yet."""
        self._packets.appendleft(packet)
        self.size += len(packet[1]) + len(packet[2])

    def clear(self) -> None:
        """Drop everything."""
        self._packets.clear()
        self.size = 0


class Carrier(Protocol):
    """How packets get to one viewer."""

    name: str
    """TCP or UDP."""

    def send(self, queue: PacketQueue) -> None:
        """Send from *queue* as much as the network takes now. Never blocks, never raises."""
        ...

    def close(self) -> None:
        """Give up what it holds, without touching the RTSP connection."""
        ...


class RtspWriter(Protocol):
    """What an interleaved carrier needs of its connection."""

    @property
    def writable(self) -> bool:
        """Whether its write buffer has room."""
        ...

    def writelines(self, parts: list[bytes | memoryview]) -> None:
        """Write *parts* in one piece."""
        ...


class InterleavedCarrier:
    """RTP between RTSP messages (RFC 2326 section 10.12). The connection tells of room."""

    name = "TCP"

    def __init__(self, connection: RtspWriter) -> None:
        self._connection = connection
        self._channels: dict[int, int] = {}

    @property
    def channels(self) -> set[int]:
        """The channels in use."""
        return set(self._channels.values())

    def add(self, track: int, channels: tuple[int, int]) -> None:
        """Send *track* on *channels*, RTP and RTCP."""
        self._channels[2 * track], self._channels[2 * track + 1] = channels

    def send(self, queue: PacketQueue) -> None:
        """See `Carrier.send`; a packet is written whole or not at all."""
        while queue and self._connection.writable:
            parts: list[bytes | memoryview] = []
            size = 0
            while queue and size < _BATCH_BYTES:
                stream, head, body = queue.popleft()
                length = len(head) + len(body)
                parts += (_FRAME.pack(b"$", self._channels[stream], length), head, body)
                size += length
            self._connection.writelines(parts)

    def close(self) -> None:
        """Do nothing: it holds nothing."""


class UdpCarrier:
    """
    RTP from a pair of ports for each track, connected to the viewer's: the kernel keeps others out.

    Args:
        local: our address, as the viewer's connection has it.
        peer: the viewer's address.
        on_room: called when there is room again after `send` left something.
        on_life: called when the viewer sent a report.
        on_refused: called when nobody listens at the viewer's port any more.
    """

    name = "UDP"

    def __init__(
        self,
        local: str,
        peer: str,
        *,
        on_room: Callable[[], None],
        on_life: Callable[[], None],
        on_refused: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._local = local
        self._peer = peer
        self._on_room = on_room
        self._on_life = on_life
        self._on_refused = on_refused
        self._sockets: dict[int, socket.socket] = {}
        self._waiting: socket.socket | None = None

    def add(self, track: int, ports: tuple[int, int]) -> tuple[int, int]:
        """
        Send *track* to the viewer's *ports*, RTP and RTCP; ours are returned.

        Raises:
            OSError: no ports are free, or the viewer cannot be reached.
        """
        self._remove(track)
        pair = _bind_pair(self._local)
        try:
            for offset, (end, port) in enumerate(zip(pair, ports, strict=True)):
                end.connect((self._peer, port))
                self._sockets[2 * track + offset] = end
                self._loop.add_reader(end, self._heard, end, offset == 1)
        except OSError:
            self._remove(track)
            for end in pair:
                end.close()
            raise
        rtp, rtcp = (end.getsockname()[1] for end in pair)
        return rtp, rtcp

    def send(self, queue: PacketQueue) -> None:
        """See `Carrier.send`; a packet that the network refuses is lost."""
        while queue and self._waiting is None:
            packet = queue.popleft()
            stream, head, body = packet
            end = self._sockets[stream]
            try:
                end.send(b"".join((head, body)))
            except BlockingIOError:
                queue.push_back(packet)
                self._waiting = end
                self._loop.add_writer(end, self._has_room)
            except _GONE:
                self._loop.call_soon(self._on_refused)
            except OSError:
                continue

    def close(self) -> None:
        """Close the sockets."""
        for track in {stream // 2 for stream in self._sockets}:
            self._remove(track)

    def _remove(self, track: int) -> None:
        for stream in (2 * track, 2 * track + 1):
            end = self._sockets.pop(stream, None)
            if end is not None:
                if end is self._waiting:
                    self._loop.remove_writer(end)
                    self._waiting = None
                self._loop.remove_reader(end)
                end.close()

    def _has_room(self) -> None:
        if self._waiting is not None:
            self._loop.remove_writer(self._waiting)
            self._waiting = None
            self._on_room()

    def _heard(self, end: socket.socket, reports: bool) -> None:
        """Read reports, and the packets that players send to open a port in their router."""
        for _ in range(_READS):
            try:
                data = end.recv(2048)
            except _GONE:
                self._loop.call_soon(self._on_refused)
                return
            except OSError:
                return
            if reports and is_rtcp(data):
                self._on_life()


def _bind_pair(address: str) -> tuple[socket.socket, socket.socket]:
    """Two UDP sockets on an even port and the next one (RFC 3550 section 11)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(_PAIRS):
        rtp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            rtp.bind((address, 0))
            port = rtp.getsockname()[1]
            if port % 2 == 0:
                rtcp = socket.socket(family, socket.SOCK_DGRAM)
                try:
                    rtcp.bind((address, port + 1))
                except OSError:
                    rtcp.close()
                else:
                    for end in (rtp, rtcp):
                        end.setblocking(False)
                        with suppress(OSError):
                            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
                    return rtp, rtcp
        except OSError:
            rtp.close()
            raise
        rtp.close()
    raise OSError("no pair of UDP ports is free")
