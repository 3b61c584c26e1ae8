"""A TCP proxy on loopback that does to a connection what networks and servers do to it."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from random import Random
from types import TracebackType
from typing import Literal, Self

Fault = Literal["pass", "mute", "refuse", "reset", "end", "garbage", "freeze"]
"""
`pass` on what comes; `mute`: take connections and never answer; `refuse` to listen; `reset` or
`end` each connection at once; `garbage`: answer with noise; `freeze`: keep connections, and pass
nothing on any more.
"""

_CHUNK = 65536
_NOISE = Random(7).randbytes(16384)
"""Always the same: by chance, noise may look like an answer."""


class FaultProxy:
    """
    Stands before the port *target* until the `with` block ends.

    What it does is changed by `become`, for the connections that stand too; `drop` ends those
    and nothing else. Both return when it is done; all is done by the proxy's own thread.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.accepted = 0
        """Connections taken so far."""
        self._fault: Fault = "pass"
        self._pairs: list[tuple[socket.socket, socket.socket | None]] = []
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._wanted: SimpleQueue[tuple[Callable[[], None], threading.Event]] = SimpleQueue()
        self._wake, self._waker = socket.socketpair()
        self._ended = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def become(self, fault: Fault) -> None:
        """From now on."""
        self._do(partial(self._become, fault))

    def drop(self, *, reset: bool = False) -> None:
        """End every connection."""
        self._do(partial(self._drop, reset=reset))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._do(self._end)
        self._thread.join()
        self._wake.close()
        self._waker.close()

    def _do(self, what: Callable[[], None]) -> None:
        done = threading.Event()
        self._wanted.put((what, done))
        self._waker.send(b"!")
        assert done.wait(5)

    def _run(self) -> None:
        while not self._ended:
            listeners = [] if self._listener is None else [self._listener]
            ends = [end for pair in self._pairs for end in pair if end is not None]
            moved = ends if self._fault == "pass" else []
            ready, _, _ = select.select([self._wake, *listeners, *moved], [], [])
            if self._wake in ready:
                self._wake.recv(1)
                what, done = self._wanted.get()
                what()
                done.set()
            elif listeners and listeners[0] in ready:
                self._accept(listeners[0])
            else:
                self._move(ready[0])

    def _become(self, fault: Fault) -> None:
        self._fault = fault
        if fault == "refuse" and self._listener is not None:
            self._listener.close()
            self._listener = None
        elif fault != "refuse" and self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
        if fault in ("reset", "end", "refuse"):
            self._drop(reset=fault == "reset")
        if fault == "garbage":
            for client, _ in self._pairs:
                with contextlib.suppress(OSError):
                    client.sendall(_NOISE)

    def _drop(self, *, reset: bool) -> None:
        for client, server in self._pairs:
            if reset:
                _reset(client)
            client.close()
            if server is not None:
                server.close()
        self._pairs.clear()

    def _end(self) -> None:
        self._ended = True
        self._drop(reset=True)
        if self._listener is not None:
            self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        self.accepted += 1
        server: socket.socket | None = None
        if self._fault == "reset":
            _reset(client)
        if self._fault in ("reset", "end"):
            client.close()
            return
        if self._fault == "garbage":
            client.sendall(_NOISE)
        if self._fault == "pass":
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=2)
            except OSError:
                client.close()
                return
        self._pairs.append((client, server))

    def _move(self, end: socket.socket) -> None:
        """Pass on what came from *end*, or its end."""
        pair = next(pair for pair in self._pairs if end in pair)
        other = pair[1] if end is pair[0] else pair[0]
        data = b""
        with contextlib.suppress(OSError):
            data = end.recv(_CHUNK)
            if data and other is not None:
                other.sendall(data)
        if not data:
            self._pairs.remove(pair)
            for side in pair:
                if side is not None:
                    side.close()


def _reset(connection: socket.socket) -> None:
    """Make closing send a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
