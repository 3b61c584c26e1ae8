"""How much the server lets its viewers have: plain numbers, one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what strangers can make the server hold. Every default suits a small LAN."""

    connections: int = 256
    """At once, UDP sessions that outlived their connection included: so many viewers, at most."""
    strangers_per_ip: int = 16
    """
    Connections from one address that have not shown the right password or, where none is asked
    for, have not begun to play. This machine's own may be as many as there is room for.
    """
    udp_sockets: int = 240
    """
    At once, two for each track of each viewer; who wants more has to take TCP. With `connections`
    they stay below what a process may open and, on Windows, below the 512 that `select` can watch.
    """
    sessions_per_connection: int = 4
    messages_per_s: float = 50.0
    """Requests and reports of one connection; when there are more they wait, unread."""
    request_line_bytes: int = 2048
    header_bytes: int = 8192
    """A request's line and headers together."""
    body_bytes: int = 8192
    request_s: float = 10.0
    """From a request's first byte to its last; likewise for a TLS handshake."""
    idle_s: float = 30.0
    """How long a connection may stay without playing anything."""
    session_timeout_s: float = 60.0
    """Without a sign of life, for sessions over UDP and paused ones; what viewers are told."""
    stall_s: float = 10.0
    """How long a viewer over TCP may accept nothing of what waits for it."""
    queue_packets: int = 2048
    """RTP packets that may wait for one viewer."""
    queue_bytes: int = 2 << 20
    """Bytes that may wait for one viewer, its connection's write buffer not counted."""
    inbox_packets: int = 256
    """Encoded packets of one mount that may wait for the server's thread."""
