"""What the server's thread knows: mounts, connections and sessions, and how many more it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamer.rtsp.auth import DigestGuard
from streamer.rtsp.limits import Limits
from streamer.rtsp.mount import Mount
from streamer.rtsp.session import Session

if TYPE_CHECKING:
    from streamer.rtsp.connection import Connection


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
        self.mounts: dict[str, Mount] = {}
        self.connections: set[Connection] = set()
        self.sessions: dict[str, Session] = {}

    def has_room_for(self, address: str) -> bool:
        """Whether one more connection from *address* is within the limits."""
        # A UDP session without its connection still holds sockets, so it counts as one.
        owned = {session for c in self.connections for session in c.sessions}
        holders = [c.address for c in self.connections]
        holders += [s.address for s in self.sessions.values() if s not in owned]
        return (
            len(holders) < self.limits.connections
            and holders.count(address) < self.limits.connections_per_ip
        )

    def owner(self, session: Session) -> Connection | None:
        """The connection that *session* was made on, if it is still there."""
        return next((c for c in self.connections if session in c.sessions), None)

    def forget(self, session: Session) -> None:
        """*session* has ended."""
        self.sessions.pop(session.identity, None)
        if (owner := self.owner(session)) is not None:
            owner.sessions.discard(session)
