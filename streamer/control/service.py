"""
Tells systemd how the streams are: ready, reloading, stopping, and alive as long as frames come.

The protocol is sd_notify(3): datagrams of `NAME=value` lines to the socket in NOTIFY_SOCKET.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from streamer.core.clock import Clock, SystemClock

if TYPE_CHECKING:
    from streamer.host import Host, HostStatus, StreamStatus

_NS = 1_000_000_000
_STATUS_S = 5.0


class Service:
    """
    A systemd service, if the process is one; else nothing is sent. `tick` it often.

    READY is sent once a frame went out. WATCHDOG is fed by frames, not by time: when streams are
    live and none of them has sent a picture for WatchdogSec, systemd ends the process and starts it
    again. A stream that is not live owes none: its camera is away or released, it waits to be
    started again, or its user has paused it.

    Args:
        environment: has NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, where systemd set them.
        clock: the clock; tests pass their own.

    `tick` and `stopping` are for one thread; `reloading` is for any.
    """

    def __init__(
        self, environment: Mapping[str, str] = os.environ, clock: Clock | None = None
    ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._clock = clock or SystemClock()
        self._watchdog_ns = _watchdog_ns(environment)
        self._ready = False
        self._pictures = 0
        self._due_ns = 0
        self._status_due_ns = 0

    @property
    def there(self) -> bool:
        """Whether a service manager is told anything."""
        return bool(self._address)

    def tick(self, host: Host) -> None:
        """Tell how the streams of *host* are, as far as it is time to."""
        now_ns = self._clock.now_ns()
        if not self.there or now_ns < self._due_ns:
            return
        # Four times within the time-out, so that one that comes late is no harm.
        self._due_ns = now_ns + min(self._watchdog_ns // 4 or _NS, _NS)
        pictures = host.pictures
        came, self._pictures = pictures > self._pictures, pictures
        if came and not self._ready:
            self._ready = True
            self._send("READY=1")
        if self._watchdog_ns and (came or not _owes_pictures(host)):
            self._send("WATCHDOG=1")
        if now_ns >= self._status_due_ns:
            self._status_due_ns = now_ns + int(_STATUS_S * _NS)
            self._send(f"STATUS={status_line(host.status())}")

    def reloading(self, begun: bool) -> None:
        """Tell that the configuration is being read again, or that this is over."""
        if begun:
            self._send(f"RELOADING=1\nMONOTONIC_USEC={self._clock.now_ns() // 1000}")
        elif self._ready:
            self._send("READY=1")

    def stopping(self) -> None:
        """Tell that the streams are being ended."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self.there:
            return
        address = self._address
        if address.startswith("@"):  # an abstract socket of Linux
            address = "\0" + address[1:]
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(text.encode(errors="replace"), address)


def status_line(status: HostStatus) -> str:
    """How many streams are live, and which are not."""
    states = {stream.name: _state(stream) for stream in status.streams}
    down = [f"{name} {state}" for name, state in states.items() if state != "live"]
    live = len(states) - len(down)
    return f"{live} of {len(status.streams)} live" + (f"; {', '.join(down)}" if down else "")


def _owes_pictures(host: Host) -> bool:
    """Whether any stream should send pictures now."""
    live = [stream.name for stream in host.status().streams if _state(stream) == "live"]
    return any(not host.is_paused(name) for name in live)


def _state(stream: StreamStatus) -> str:
    """That of its source while it runs, else its own."""
    if stream.state == "running" and stream.status is not None:
        return stream.status.counts.source.state
    return stream.state


def _watchdog_ns(environment: Mapping[str, str]) -> int:
    """After how long without a sign systemd counts this process as hung; 0: never."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    try:
        return int(environment.get("WATCHDOG_USEC", "0")) * 1000
    except ValueError:
        return 0
