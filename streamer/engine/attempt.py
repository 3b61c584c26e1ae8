"""
Calls a source in a thread of its own, so that a call that never returns costs no more than that
thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

from streamer.core.cpu import name_beside, name_thread
from streamer.errors import SourceTimeout, SourceWaiting
from streamer.frame import Grab, Image, StreamInfo, slow_s
from streamer.protocols import Source

_TICK_S = 0.05
"""How often `meanwhile` is called while an answer is waited for."""

T = TypeVar("T")


class Unanswered(SourceTimeout):
    """A call was given up; it may still write to its buffer, which must not be used again."""


class Attempt:
    """
    One attempt to get frames: a fresh source and the thread that it belongs to.

    Args:
        source: opened, read and closed by that thread alone, even after a call was given up.
        number: from 1; the thread's name ends in it, such as `streamer-NAME-capture-1`.
        open_s: seconds that opening may take.
        stall_s: seconds that may pass without a frame; more for a slow stream: three frames' time.
        meanwhile: called about every 50 ms while a call is waited for; false ends the waiting.

    `open` and `read` raise what the source raises, or `Unanswered`; do not call them after that
    one. A source that sends data, but no key frame yet (`SourceWaiting`), is asked again for as
    long as it says so. For one thread, the capture stage's.
    """

    def __init__(
        self,
        source: Source,
        number: int,
        *,
        open_s: float,
        stall_s: float,
        meanwhile: Callable[[], bool],
    ) -> None:
        self.name = source.name
        self.stage = f"capture-{number}"
        self._source = source
        self._open_s = open_s
        self._stall_s = stall_s
        self._meanwhile = meanwhile
        self._calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._answers: SimpleQueue[object] = SimpleQueue()
        self._fed_at = 0.0
        self._thread = threading.Thread(target=self._serve, name=name_beside(self.stage))
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether its thread still works, or is stuck."""
        return self._thread.is_alive()

    def open(self) -> StreamInfo:
        """Open the source. Raises SourceError."""
        said = f"did not open within {self._open_s:g} s"
        info = self._answer(self._source.open, self._open_s, said)
        self._stall_s = max(self._stall_s, slow_s(info.fps))
        self._fed_at = time.monotonic()
        return info

    def read(self, out: Image) -> Grab:
        """Read one frame; see `Source.read`. After `Unanswered`, *out* may still be written to."""
        left_s = self._fed_at + self._stall_s - time.monotonic()
        said = f"gave no frame for {self._stall_s:.4g} s"
        if left_s < 0:
            raise SourceTimeout(f"{self.name}: {said}")
        grab = self._answer(partial(self._source.read, out), left_s, said)
        self._fed_at = time.monotonic()
        return grab

    def hang_up(self) -> None:
        """Let the thread close the source as soon as it can, and do not wait for it."""
        self._calls.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait for the thread after `hang_up`."""
        self._thread.join(timeout_s)

    def _answer(self, call: Callable[[], T], within_s: float, said: str) -> T:
        until = time.monotonic() + within_s
        self._calls.put(call)
        while True:
            try:
                answer = self._answers.get(timeout=_TICK_S)
            except Empty:
                if self._meanwhile() and time.monotonic() < until:
                    continue
                raise Unanswered(f"{self.name}: {said}") from None
            if isinstance(answer, SourceWaiting) and self._meanwhile():
                # The source sends data, so it is alive: the time-out begins anew.
                until = time.monotonic() + max(within_s, self._stall_s)
                self._calls.put(call)
            elif isinstance(answer, BaseException):
                try:
                    raise answer
                finally:
                    # Its traceback has this frame, which would keep it and the source in a circle.
                    del answer
            else:
                return answer  # type: ignore[return-value]  # a queue cannot tie an answer to its call

    def _serve(self) -> None:
        name_thread(self.stage)
        try:
            while (call := self._calls.get()) is not None:
                try:
                    answer: object = call()
                except BaseException as error:
                    answer = error
                self._answers.put(answer)
        finally:
            self._source.close()
