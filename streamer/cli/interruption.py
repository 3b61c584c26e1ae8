"""
SIGINT, SIGTERM and SIGHUP: the first one ends a run with its files finished, the second at once.

SIGHUP has the configuration read again instead, where `reloading` says so.

With no run in progress the first one already ends the command: it raises an exception, so that
temporary files are removed on the way. A signal that was ignored when the command started stays
ignored: `nohup` does so with SIGHUP, and shells do so with SIGINT for commands behind `&`.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

from streamer.cli import logs
from streamer.core.clock import Clock, SystemClock

_SIGNALS = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if name in signal.Signals.__members__  # Windows knows no hang-up
)
_ONE_REQUEST_NS = 200_000_000
"""
Signals closer together than this count as one request.

`timeout` sends its signal to the command and then to the command's group; a terminal that closes
sends SIGHUP, as does the shell in it.
"""


class Interrupted(BaseException):
    """
    A signal asked to stop while there was nothing to finish.

    Attributes:
        exit_code: 128 plus the signal's number, as in shells.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class Interruption:
    """
    Handles these signals for the process while it is entered. For the main thread.

    Args:
        leave: ends the process at once with an exit code.
        clock: the clock; tests pass their own.
    """

    def __init__(self, leave: Callable[[int], Any] = os._exit, clock: Clock | None = None) -> None:
        self._leave = leave
        self._clock = clock or SystemClock()
        self._stop: Callable[[], None] | None = None
        self._note = ""
        self._reload: Callable[[], None] | None = None
        self._had_terminal = False
        self._first_ns: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether a signal has asked to stop."""
        return self._first_ns is not None

    @contextmanager
    def stopping(
        self,
        stop: Callable[[], None] = lambda: None,
        note: str = "finishing the files; once more stops at once",
    ) -> Iterator[None]:
        """Within this, the first signal writes *note*, calls *stop*, and does nothing else."""
        self._stop, self._note = stop, note
        try:
            yield
        finally:
            self._stop = None

    @contextmanager
    def reloading(self, reload: Callable[[], None]) -> Iterator[None]:
        """Within this, SIGHUP calls *reload*, unless it comes because the terminal has gone."""
        self._reload, self._had_terminal = reload, _has_terminal()
        try:
            yield
        finally:
            self._reload = None

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
        """Handle one signal, as a handler of `signal.signal`. Takes no lock."""
        now_ns = self._clock.now_ns()
        if (
            self._reload is not None
            and signum == getattr(signal, "SIGHUP", None)
            and not (self._had_terminal and not _has_terminal())
        ):
            self._reload()
            return
        if self._first_ns is not None:
            if now_ns - self._first_ns >= _ONE_REQUEST_NS:
                _note("stopped at once")
                self._leave(128 + signum)
            return
        self._first_ns = now_ns
        if self._stop is None:
            raise Interrupted(signum)
        _note(self._note)
        self._stop()


def _has_terminal() -> bool:
    """Whether the process has a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _note(text: str) -> None:
    """Write to stderr without Python's buffers, whose use the signal may have interrupted."""
    # Neither function takes a lock.
    line = logs.json_line(logging.INFO, text) if logs.in_json() else f"\n{text}"
    with suppress(OSError):
        os.write(2, f"{line}\n".encode())
