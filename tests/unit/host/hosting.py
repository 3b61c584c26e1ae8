"""Hosts of live streams that run in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamer.config import BoxConfig
from streamer.host import Host
from tests.waiting import wait_for

MakeBox = Callable[..., BoxConfig]


@contextmanager
def running(box: BoxConfig) -> Iterator[Host]:
    """A host of *box* that runs in a thread for the time of the block."""
    host = Host(box)
    thread = threading.Thread(target=host.run)
    thread.start()
    try:
        wait_for(lambda: all(emitted(host, name) for name in box.streams))
        yield host
    finally:
        host.request_stop()
        thread.join(30)
        assert not thread.is_alive()


def emitted(host: Host, name: str) -> int:
    return host.metrics(name).frames()["emitted"]


def states(host: Host) -> dict[str, str]:
    return {stream.name: stream.state for stream in host.status().streams}
