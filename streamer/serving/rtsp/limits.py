"""How much of the server its viewers may use: plain numbers, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what strangers can make the server hold. Every default suits a small LAN."""

    connections: int = 256
    """Most connections at once, including UDP sessions that outlived theirs."""
    strangers_per_ip: int = 16
    """
    Connections from one address that have not shown the right password or, where none is asked
    for, have not begun to play. Connections from this machine are not limited so.
    """
    udp_sockets: int = 240
    """
    Most at once, two for each track of each viewer; beyond that, viewers have to use TCP. With
    `connections` they stay below what a process may open and, on Windows, below the 512 that
    `select` can watch.
    """
    sessions_per_connection: int = 4
    messages_per_s: float = 50.0
    """Requests and reports of one connection; any more wait unread."""
    request_line_bytes: int = 2048
    header_bytes: int = 8192
    """A request's line and headers together."""
    body_bytes: int = 8192
    request_s: float = 10.0
    """From a request's first byte to its last; also the longest TLS handshake."""
    idle_s: float = 30.0
    """How long a connection may stay without playing anything."""
    session_timeout_s: float = 60.0
    """How long a UDP or paused session lasts without a sign of life; viewers are told it."""
    stall_s: float = 10.0
    """How long a viewer over TCP may accept nothing of what waits for it."""
    queue_packets: int = 2048
    """RTP packets that may wait for one viewer."""
    queue_bytes: int = 2 << 20
    """Bytes that may wait for one viewer, its connection's write buffer not counted."""
    inbox_packets: int = 256
    """Encoded packets of one mount that may wait for the server's thread."""
