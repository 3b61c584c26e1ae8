"""The server's tables of mounts, connections and sessions, and whether there is room for more."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from streamer.serving.rtsp.auth import DigestGuard
from streamer.serving.rtsp.guesses import Guesses
from streamer.serving.rtsp.limits import Limits
from streamer.serving.rtsp.mount import Mount
from streamer.serving.rtsp.session import Session

if TYPE_CHECKING:
    from streamer.serving.rtsp.connection import Connection


class Directory:
    """
    The tables. Only `mounts` is changed by other threads, in single steps.

    Args:
        limits: of connections.
        guard: asks for credentials; None lets everyone in.
    """

    def __init__(self, limits: Limits, guard: DigestGuard | None) -> None:
        self.limits = limits
        self.guard = guard
        self.guesses = Guesses()
        self.mounts: dict[str, Mount] = {}
        self.connections: set[Connection] = set()
        self.sessions: dict[str, Session] = {}

    def has_room_for(self, address: str) -> bool:
        """Whether one more connection from *address* is within the limits."""
        # A UDP session without its connection still holds sockets, so it counts as one.
        owned = {session for connection in self.connections for session in connection.sessions}
        adrift = sum(session not in owned for session in self.sessions.values())
        if len(self.connections) + adrift >= self.limits.connections:
            return False
        strangers = sum(c.address == address and not c.known for c in self.connections)
        return strangers < self.limits.strangers_per_ip or is_loopback(address)

    def has_udp_sockets(self) -> bool:
        """Whether one more track may go over UDP."""
        tracks = sum(
            len(session.tracks)
            for session in self.sessions.values()
            if session.carrier is not None and session.carrier.name == "UDP"
        )
        return 2 * (tracks + 1) <= self.limits.udp_sockets

    def owner(self, session: Session) -> Connection | None:
        """The open connection that *session* belongs to; None where that was lost."""
        return next((c for c in self.connections if session in c.sessions), None)

    def forget(self, session: Session) -> None:
        """Remove *session*, which has ended."""
        self.sessions.pop(session.identity, None)
        if (owner := self.owner(session)) is not None:
            owner.sessions.discard(session)


def is_loopback(address: str) -> bool:
    """Whether *address* is this machine's own."""
    return ip_address(address).is_loopback
