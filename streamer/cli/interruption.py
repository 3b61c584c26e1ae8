"""
SIGINT and SIGTERM: the first one ends a run with its files finished, the second one ends at once.

Where no run is in progress the first one already ends the command, by an exception from wherever
it is, so that temporary files are removed on the way.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """
    A signal asked for the end while nothing had to be finished.

    Attributes:
        exit_code: 128 and the signal's number, as shells have it.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class Interruption:
    """
    The process's handling of both signals while it is entered; for the main thread.

    Args:
        leave: ends the process at once with an exit code.
    """

    def __init__(self, leave: Callable[[int], Any] = os._exit) -> None:
        self._leave = leave
        self._stop: Callable[[], None] | None = None
        self._requested = False
        self._before: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether a signal has asked for the end."""
        return self._requested

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """Within this, the first signal calls *stop* and nothing else."""
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None

    def __enter__(self) -> Interruption:
        try:
            for signum in _SIGNALS:
                self._before[signum] = signal.signal(signum, self.handle)
        except ValueError:  # not the main thread: whoever runs us there keeps the signals
            self._before.clear()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        self._before.clear()

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Take one signal; as `signal.signal` wants it."""
        if self._requested:
            _note("stopped at once")
            self._leave(128 + signum)
            return
        self._requested = True
        if self._stop is None:
            raise Interrupted(signum)
        _note("finishing the files; once more stops at once")
        self._stop()


def _note(text: str) -> None:
    """Write a line past Python's buffers, which the signal may have interrupted."""
    with suppress(OSError):
        os.write(2, f"\n{text}\n".encode())
