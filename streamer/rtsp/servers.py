"""The servers of one pipeline, so that several streams can share an address."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from streamer.errors import SinkError
from streamer.rtsp.auth import Credentials
from streamer.rtsp.listening import TlsFiles
from streamer.rtsp.server import RtspServer


@dataclass(slots=True)
class _Shared:
    server: RtspServer
    terms: tuple[Credentials | None, TlsFiles | None]
    users: int


class RtspServers:
    """One server for each address, from its first user to its last. Thread-safe."""

    def __init__(self) -> None:
        self._shared: dict[tuple[str, int], _Shared] = {}
        self._lock = threading.Lock()

    def take(
        self, host: str, port: int, credentials: Credentials | None, tls: TlsFiles | None
    ) -> RtspServer:
        """
        The running server at that address, for which the caller must `give_back`.

        Raises:
            SinkError: the address cannot be had, or is shared on other terms.
        """
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
            for address, shared in self._shared.items():
                if shared.server is server:
                    shared.users -= 1
                    if shared.users:
                        return
                    del self._shared[address]
                    break
        server.stop()
