"""Spreads frames that arrive in bursts: each is given at its own time."""

from __future__ import annotations

import time

_LATE_S = 1.0
"""A frame that is later than this starts the pace anew, so that the next need not catch up."""
_EARLY_S = 4.0
"""A frame that is due so far ahead is on a clock that leapt: it starts the pace anew."""


class Pace:
    """Holds each frame until as much time has passed as its timestamp says. Not thread-safe."""

    def __init__(self) -> None:
        self._origin_s: float | None = None

    def wait(self, pts_s: float) -> int:
        """Wait until *pts_s* is due; return the time then, as `time.monotonic_ns()`."""
        now_s = time.monotonic()
        early_s = 0.0 if self._origin_s is None else self._origin_s + pts_s - now_s
        if self._origin_s is None or not -_LATE_S < early_s < _EARLY_S:
            self._origin_s = now_s - pts_s
        elif early_s > 0:
            time.sleep(early_s)
        return time.monotonic_ns()
