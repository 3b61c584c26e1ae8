"""The servers of a process, so that several streams can share an address."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from streamer.errors import SinkError
from streamer.serving.rtsp.auth import Credentials
from streamer.serving.rtsp.listening import TlsFiles
from streamer.serving.rtsp.server import RtspServer


@dataclass(slots=True)
class _Shared:
    server: RtspServer
    terms: tuple[Credentials | None, TlsFiles | None]
    users: int


class RtspServers:
    """
    One server for each address, from its first user to its last. Thread-safe.

    Args:
        named: servers at a fixed port are taken from there, so that others can share them. Those
            at port 0, which is any free port, are this object's own.
    """

    def __init__(self, named: RtspServers | None = None) -> None:
        self._named = named
        self._shared: dict[tuple[str, int], _Shared] = {}
        self._lock = threading.Lock()

    def take(
        self, host: str, port: int, credentials: Credentials | None, tls: TlsFiles | None
    ) -> RtspServer:
        """
        The running server at that address; the caller must `give_back` it.

        Raises:
            SinkError: the address cannot be used, or another user or certificate is set for it.
        """
        if self._named is not None and port:
            return self._named.take(host, port, credentials, tls)
        with self._lock:
            shared = self._shared.get((host, port))
            if shared is None:
                shared = _Shared(RtspServer(host, port, credentials, tls), (credentials, tls), 0)
                shared.server.start()
                self._shared[host, port] = shared
            elif shared.terms != (credentials, tls):
                raise SinkError(
                    f"rtsp://{host}:{port}: two streams share it with different users or "
                    "certificates: write the same, or another port"
                )
            shared.users += 1
            return shared.server

    def give_back(self, server: RtspServer) -> None:
        """Stop *server* if this was its last user."""
        with self._lock:
            address = next((a for a, s in self._shared.items() if s.server is server), None)
            if address is not None:
                self._shared[address].users -= 1
                if not self._shared[address].users:
                    del self._shared[address]
                    # Within the lock: whoever comes next finds the address free.
                    server.stop()
                return
        if self._named is not None:
            self._named.give_back(server)


PROCESS_SERVERS = RtspServers()
"""The servers that all pipelines of this process share."""
