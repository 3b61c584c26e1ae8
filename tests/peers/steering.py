"""
Browsers that are steered over one WebSocket, without a driver beside them.

Chromium speaks its DevTools protocol there, and Firefox WebDriver BiDi. Both number the commands
and put the number into the answer; what happens in between comes without one.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.waiting import PATIENCE_S

START_S = 60.0
"""A browser's first start makes its profile."""

Hear = Callable[[str, dict[str, Any]], None]


class CommandFailed(Exception):
    """The browser did not do what it was told."""


class Remote:
    """
    Commands for a browser, and what it tells.

    Args:
        connection: its WebSocket.
        hear: called with the name and the data of each event, during `ask` and `listen` only.

    Not thread-safe.
    """

    def __init__(self, connection: ClientConnection, hear: Hear) -> None:
        self._connection, self._hear = connection, hear
        self._asked = 0

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """
        Send one command; returns its result.

        Raises:
            CommandFailed: the browser refuses it.
            TimeoutError: it does not answer.
        """
        self._asked += 1
        command = {"id": self._asked, "method": method, "params": parameters}
        self._connection.send(json.dumps(command))
        deadline_s = time.monotonic() + START_S
        while (answer := self._next(deadline_s)).get("id") != self._asked:
            pass
        if (error := answer.get("error")) is not None:
            raise CommandFailed(f"{method}: {error} {answer.get('message', '')}")
        result: dict[str, Any] = answer["result"]
        return result

    def listen(self, seconds: float) -> None:
        """Hear events for so long."""
        with suppress(TimeoutError):
            deadline_s = time.monotonic() + seconds
            while True:
                self._next(deadline_s)

    def _next(self, deadline_s: float) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(
            self._connection.recv(max(0.0, deadline_s - time.monotonic()))
        )
        if "id" not in told and "method" in told:
            self._hear(told["method"], told["params"])
        return told


@contextmanager
def steered(address: str, hear: Hear) -> Iterator[Remote]:
    """A connection to a browser's WebSocket; the browser goes on after it."""
    with connect(
        address, compression=None, max_size=None, proxy=None, ping_interval=None
    ) as connection:
        yield Remote(connection, hear)


@dataclass(frozen=True, slots=True)
class Launched:
    """A browser that runs."""

    pid: int
    address: str
    """The WebSocket that it announces."""


@contextmanager
def launched(command: Sequence[str], folder: Path) -> Iterator[Launched]:
    """
    A browser, until it is stopped with all its processes.

    Args:
        command: must make it print its address, `… listening on ws://…`.
        folder: for what it says.
    """
    path = folder / "browser.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield Launched(process.pid, _announced(process, path))
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
        with suppress(ProcessLookupError):  # its own group: nobody else is in it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _announced(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline_s = time.monotonic() + START_S
    while (found := re.search(r"listening on (ws://\S+)", log.read_text())) is None:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline_s, log.read_text()
        time.sleep(0.05)
    return found[1]
