"""The parent's end of a publishing child: its pipes, none of which can hold the parent up."""

from __future__ import annotations

import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from streamer.serving.publishing.wire import parse_event

_log = logging.getLogger("streamer.serving.publishing")
_READ = 1 << 16
_LINE_LIMIT = 1 << 16
"""Bytes of a line that does not end, after which it is thrown away."""

Event = dict[str, Any]


class ChildProcess:
    """
    One run of `streamer.serving.publishing.child`.

    Used by one thread, which must outlive it: on Linux the child dies with the thread that
    started it. Always `kill` it in the end.
    """

    def __init__(self, hello: bytes, hide: Callable[[str], str]) -> None:
        """
        Start it.

        Args:
            hello: the first message.
            hide: takes the credentials out of what the child prints, for the log.

        Raises:
            OSError: no process can be started.
        """
        self._hide = hide
        self._process = subprocess.Popen(
            # -P: a stray `av.py` in the working directory is not imported.
            [sys.executable, "-P", "-m", "streamer.serving.publishing.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            # Ctrl-C in the terminal is for the parent, which then ends the child in order.
            start_new_session=True,
        )
        pipes = [self._process.stdin, self._process.stdout, self._process.stderr]
        self._pipes = [pipe for pipe in pipes if pipe is not None]
        self._stdin, self._stdout, self._stderr = (pipe.fileno() for pipe in self._pipes)
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
        self._reads = {self._stdout: bytearray(), self._stderr: bytearray()}
        self._unsent = memoryview(hello)
        self._ended = False
        self._last_words = ""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it closed its stdout: then it has left, or is about to."""
        return self._ended

    @property
    def last_words(self) -> str:
        """The last line read from its stderr, free of credentials; empty if there was none."""
        return self._last_words

    @property
    def idle(self) -> bool:
        """Whether the last message is in the pipe, so that `write` may be called again."""
        return not self._unsent and not self._ended

    def write(self, message: bytes) -> None:
        """Send *message* when `idle`, as far as there is room; `pump` sends the rest."""
        self._unsent = memoryview(message)
        self._flush()

    def pump(self, timeout_s: float, wake: int | None = None) -> list[Event]:
        """
        Wait up to *timeout_s* for the pipes, read and write them, and return the child's events.

        Args:
            timeout_s: 0 to look only.
            wake: a descriptor that ends the waiting when it becomes readable; not read from.
        """
        poll = select.poll()  # not `select`, which refuses descriptors over 1023
        for pipe in [*self._reads, *([] if wake is None else [wake])]:
            poll.register(pipe, select.POLLIN)
        if self._unsent and not self._ended:
            poll.register(self._stdin, select.POLLOUT)
        ready = {pipe for pipe, _ in poll.poll(max(timeout_s, 0.0) * 1000)}
        if self._stdin in ready:
            self._flush()
        lines = [(pipe, line) for pipe in ready & set(self._reads) for line in self._read(pipe)]
        events = []
        for pipe, line in lines:
            try:
                if pipe == self._stdout:
                    events.append(parse_event(line))
                    continue
            except ValueError:
                pass  # a library's own printing
            text = self._hide(line.decode(errors="replace").strip())
            _log.debug("publish: %s", text)
            if pipe == self._stderr:
                self._last_words = text or self._last_words
        return events

    def finish(self, within_s: float) -> list[Event]:
        """
        End its input, let it write its trailer, and `kill` it.

        This takes at most *within_s*, but for the kernel's own time. Two thirds of it are for the
        trailer.
        """
        end_s = time.monotonic() + within_s * 2 / 3
        events: list[Event] = []
        while self._unsent and not self._ended and time.monotonic() < end_s:
            events += self.pump(end_s - time.monotonic())
        self._pipes[0].close()
        self._unsent = memoryview(b"")
        while not self._ended and time.monotonic() < end_s:
            events += self.pump(end_s - time.monotonic())
        if not self._ended:
            # Not handled by Python in the child, so it works while the child is stuck in C.
            self._process.terminate()
            try:
                self._process.wait(within_s / 6)
            except subprocess.TimeoutExpired:
                _log.debug("publish: process %d ignores SIGTERM", self.pid)
        self.kill()
        return events

    def kill(self) -> int | None:
        """
        End it now, if it is still there, and close the pipes. Idempotent.

        Returns its exit code, negative for a signal's; None if the kernel does not let it go.
        """
        if not self._ended:
            self._process.kill()
        for pipe in self._pipes:
            pipe.close()
        self._ended = True
        try:
            return self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
        try:
            return self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            _log.warning("publish: process %d cannot be killed", self.pid)
            return None

    def _flush(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._stdin, self._unsent) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            # It is leaving; its stdout will tell why.
            self._unsent = memoryview(b"")

    def _read(self, pipe: int) -> list[bytes]:
        try:
            data = os.read(pipe, _READ)
        except BlockingIOError:
            return []
        buffer = self._reads[pipe]
        if not data:
            del self._reads[pipe]
            self._ended = self._ended or pipe == self._stdout
            return [bytes(buffer)] if buffer else []
        buffer += data
        *lines, rest = bytes(buffer).split(b"\n")
        buffer[:] = rest if len(rest) < _LINE_LIMIT else b""
        return [line for line in lines if line]
