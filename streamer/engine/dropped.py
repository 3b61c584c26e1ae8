"""Reports dropped frames together: at most once a second, not one by one."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from streamer.core.metrics import DropReason
from streamer.events import FramesDropped, Tell

_EVERY_S = 1.0


class DroppedFrames:
    """
    Counts dropped frames, and tells of them later. Call it with the reason of each. Thread-safe.

    Args:
        tell: called by the thread that calls `tell_due` or `tell_rest`. A thread that drops a frame
            only counts it, for it may hold locks.
        now: monotonic seconds.
    """

    def __init__(self, tell: Tell, now: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._now = now
        self._counts = Counter[DropReason]()
        self._due_s = now()
        self._lock = threading.Lock()

    def __call__(self, reason: DropReason) -> None:
        """Count one more dropped frame."""
        with self._lock:
            self._counts[reason] += 1

    def tell_due(self) -> None:
        """Tell of the drops since the last report, if that is a second ago."""
        if self._counts and self._now() >= self._due_s:
            self.tell_rest()

    def tell_rest(self) -> None:
        """Tell of the drops since the last report."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            self._due_s = self._now() + _EVERY_S
        for reason, count in counts.items():
            self._tell(FramesDropped(reason, count))
