"""
The end of a pipe that is written to: stdout, or a named pipe.

No wait is longer than `wait_s`, neither for a reader to come nor for it to take something.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
import threading
import time
from pathlib import Path

from streamer.core.clock import Clock, SystemClock
from streamer.core.home import expanded
from streamer.errors import SinkError, StopRequested
from streamer.sinks.shared.paths import refusal

_STDOUT = 1
_RETRY_S = 0.02


class PipeEnd:
    """
    Writes bytes to a pipe. Not thread-safe.

    Args:
        path: `-` for stdout, or a named pipe.
        wait_s: how long to wait for a reader.
        clock: time, for tests to pass in.

    Attributes:
        progress_ns: `time.monotonic_ns()` when a reader last took something, 0 before.
    """

    def __init__(self, path: str, wait_s: float, clock: Clock | None = None) -> None:
        self.name = "stdout" if path == "-" else path
        self._path = None if path == "-" else expanded(path)
        self._wait_s = wait_s
        self._clock = clock or SystemClock()
        self._handle: int | None = None
        self._blocked_before = True
        self.progress_ns = 0

    def check(self) -> None:
        """
        Check that it is a pipe; does not wait.

        Raises:
            SinkError: it is a terminal or no pipe, or does not exist.
        """
        if self._path is None:
            self._check_stdout()
            return
        try:
            mode = self._path.stat().st_mode
        except FileNotFoundError as error:
            raise SinkError(f"{self.name}: no such pipe: make it with mkfifo") from error
        except OSError as error:
            raise refusal(self._path, error) from error
        if not stat.S_ISFIFO(mode):
            raise SinkError(f"{self.name}: is no named pipe: make one with mkfifo, or write to -")

    def _check_stdout(self) -> None:
        if sys.stdout is None:  # its descriptor may be another file's by now
            raise SinkError("stdout: is closed: pipe it to a program")
        if os.isatty(_STDOUT):
            raise SinkError(
                "stdout: is a terminal: pipe it to a program, such as | ffplay -i -, "
                "or name a pipe as path"
            )

    def open(self) -> None:
        """
        Open it; a named pipe as soon as it has a reader.

        Raises:
            SinkError: it cannot be opened, or no reader came in time.
        """
        self.check()
        if self._path is not None:
            self._handle = self._open_with_reader(self._path)
            return
        self._handle = os.dup(_STDOUT)
        if sys.platform == "win32":
            import msvcrt

            msvcrt.setmode(self._handle, os.O_BINARY)
        else:
            # The flag is shared with others who have it open: `close` restores it.
            self._blocked_before = os.get_blocking(self._handle)
            os.set_blocking(self._handle, False)

    def _open_with_reader(self, path: Path) -> int:
        deadline_ns = self._clock.now_ns() + self._wait_s * 1e9
        never = threading.Event()
        while True:
            try:
                return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:  # which means that nobody reads it
                    raise refusal(path, error) from error
            if self._clock.now_ns() >= deadline_ns:
                raise SinkError(
                    f"{path}: nobody has opened it to read for {self._wait_s:g} s: "
                    "start the reader first, or set a longer wait_s"
                )
            self._clock.wait(never, _RETRY_S)

    def write(self, data: memoryview) -> None:
        """
        Write all of *data*, bytes; borrowed until this returns.

        Raises:
            StopRequested: its reader is gone.
            SinkError: its reader has taken nothing for too long, or the disk behind it is full;
                a part may have been written.
        """
        assert self._handle is not None  # noqa: S101 - written while open
        while data:
            try:
                data = data[os.write(self._handle, data) :]
                self.progress_ns = time.monotonic_ns()
            except BlockingIOError:
                self._await_room(self._handle)
            except BrokenPipeError as error:
                raise StopRequested from error
            except OSError as error:
                raise refusal(Path(self.name), error) from error

    def _await_room(self, handle: int) -> None:
        poll = select.poll()
        poll.register(handle, select.POLLOUT)
        if not poll.poll(self._wait_s * 1000):
            raise SinkError(
                f"{self.name}: its reader has taken nothing for {self._wait_s:g} s: "
                "set a longer wait_s if it needs that"
            )

    def close(self) -> None:
        """Close it, without waiting for the reader. Safe to call twice."""
        handle, self._handle = self._handle, None
        if handle is None:
            return
        if self._path is None and sys.platform != "win32":
            os.set_blocking(handle, self._blocked_before)
        os.close(handle)
