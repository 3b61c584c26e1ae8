"""
SIGINT, SIGTERM and SIGHUP: the first one ends a run with its files finished, the second at once.

Where no run is in progress the first one already ends the command, by an exception from wherever
it is, so that temporary files are removed on the way. One that was ignored when the command was
started stays ignored: `nohup` does so with SIGHUP, and shells with SIGINT for what runs behind `&`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

from streamer.core.clock import Clock, SystemClock

_SIGNALS = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if name in signal.Signals.__members__  # Windows knows no hang-up
)
_ONE_REQUEST_NS = 200_000_000
"""
Signals so close to each other are one request.

`timeout` sends its signal to the command and then to the command's group; a terminal that closes
sends SIGHUP, as does the shell in it.
"""


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
    The process's handling of these signals while it is entered; for the main thread.

    Args:
        leave: ends the process at once with an exit code.
        clock: time, for tests to pass in.
    """

    def __init__(self, leave: Callable[[int], Any] = os._exit, clock: Clock | None = None) -> None:
        self._leave = leave
        self._clock = clock or SystemClock()
        self._stop: Callable[[], None] | None = None
        self._first_ns: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether a signal has asked for the end."""
        return self._first_ns is not None

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """Within this, the first signal calls *stop* and nothing else."""
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None

    def __enter__(self) -> Interruption:
        heeded = [signum for signum in _SIGNALS if signal.getsignal(signum) is not signal.SIG_IGN]
        try:
            for signum in heeded:
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
        """Take one signal; as `signal.signal` wants it. Takes no lock."""
        now_ns = self._clock.now_ns()
        if self._first_ns is not None:
            if now_ns - self._first_ns >= _ONE_REQUEST_NS:
                _note("stopped at once")
                self._leave(128 + signum)
            return
        self._first_ns = now_ns
        if self._stop is None:
            raise Interrupted(signum)
        _note("finishing the files; once more stops at once")
        self._stop()


def _note(text: str) -> None:
    """Write a line past Python's buffers, which the signal may have interrupted."""
    with suppress(OSError):
        os.write(2, f"\n{text}\n".encode())
