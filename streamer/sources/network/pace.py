"""Frames that come many at once, each given at its own time."""

from __future__ import annotations

import time

_LATE_S = 1.0
"""Whoever is later than this begins anew instead of hurrying after."""
_EARLY_S = 4.0
"""A frame that is due so much after the one before is on a clock that leapt."""


class Pace:
    """Holds each frame until as much time has passed as its timestamp says. Not thread-safe."""

    def __init__(self) -> None:
        self._origin_s: float | None = None

    def wait(self, pts_s: float) -> int:
        """Wait for the moment of *pts_s*; that moment, as `time.monotonic_ns()`."""
        now_s = time.monotonic()
        early_s = 0.0 if self._origin_s is None else self._origin_s + pts_s - now_s
        if self._origin_s is None or not -_LATE_S < early_s < _EARLY_S:
            self._origin_s = now_s - pts_s
        elif early_s > 0:
            time.sleep(early_s)
        return time.monotonic_ns()
