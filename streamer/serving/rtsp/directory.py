"""The server's tables of mounts, connections and sessions, and whether there is room for more."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Protocol

from streamer.serving.rtsp.auth import DigestGuard
from streamer.serving.rtsp.carriers import RtspWriter
from streamer.serving.rtsp.guesses import Guesses
from streamer.serving.rtsp.limits import Limits
from streamer.serving.rtsp.mount import Mount
from streamer.serving.rtsp.session import Session


class Peer(RtspWriter, Protocol):
    """A client's connection, as the tables and the dialogue see it: a `Connection`."""

    address: str
    """Of the client."""
    encrypted: bool
    """Whether it is TLS."""
    sessions: set[Session]
    """That it set up, or took over, and that have not ended."""
    parted: set[str]
    """Identities of sessions that ended here."""

    @property
    def local(self) -> str:
        """The address at which the client reaches the server."""
        ...

    @property
    def local_host(self) -> str:
        """The same as it stands in a URI."""
        ...

    @property
    def known(self) -> bool:
        """Whether the client has shown that it is no stranger."""
        ...

    def open_session(self, mount: Mount) -> Session:
        """Begin a session of *mount*."""
        ...

    def check(self) -> None:
        """Hang up if it is too slow, idle or stalled; called several times a second."""
        ...

    def close(self) -> None:
        """Hang up when all that was written has been sent."""
        ...

    def abort(self, reason: str) -> None:
        """Hang up at once."""
        ...


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
        self.connections: set[Peer] = set()
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

    def owner(self, session: Session) -> Peer | None:
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
