"""Dropped frames, told together: one event a second, not one for each."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from streamer.events import FramesDropped, Tell
from streamer.ring import DropReason

_EVERY_S = 1.0


class DroppedFrames:
    """
    Counts drops, and tells of them once a second at most; call it with each reason. Thread-safe.

    Args:
        tell: is told; by the thread that drops a frame.
        now: monotonic seconds.
    """

    def __init__(self, tell: Tell, now: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._now = now
        self._counts = Counter[DropReason]()
        self._due_s = 0.0
        self._lock = threading.Lock()

    def __call__(self, reason: DropReason) -> None:
        """One more frame was dropped."""
        with self._lock:
            self._counts[reason] += 1
            now_s = self._now()
            if now_s < self._due_s:
                return
            self._due_s = now_s + _EVERY_S
        self.tell_rest()

    def tell_rest(self) -> None:
        """Tell of those that nobody was told of."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        for reason, count in counts.items():
            self._tell(FramesDropped(reason, count))
