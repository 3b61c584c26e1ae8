from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from streamer.serving.rtsp import Limits, RtspServer

Serve = Callable[..., RtspServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A maker of started servers on loopback, with limits given by name; all are stopped."""
    servers: list[RtspServer] = []

    def make(credentials: Any = None, tls: Any = None, **limits: Any) -> RtspServer:
        server = RtspServer("127.0.0.1", 0, credentials, tls, Limits(**limits))
        servers.append(server)
        server.start()
        return server

    yield make
    for server in servers:
        server.stop()


def until(condition: Callable[[], bool], timeout_s: float = 5) -> bool:
    """Whether *condition* comes true in time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.005)
    return True
