"""Fewer frames of a live stream than it gives, evenly spaced."""

from __future__ import annotations

_EARLY = 0.4
"""
How early a frame may be, as a share of the time since the frame before: no rate is exact, and a
frame that is a little early is nearer to the due time than the next one.
"""


class Thinning:
    """
    Chooses which frames to take, so that on average no more than *max_fps* a second are taken.

    Early and late frames cause no drift: the due times are evenly spaced, and start over only
    after a gap.

    Args:
        max_fps: frames per second; None takes all.
    """

    def __init__(self, max_fps: float | None) -> None:
        self._spacing_s = 0.0 if max_fps is None else 1 / max_fps
        self._due_s: float | None = None
        self._last_s = 0.0

    def takes(self, time_s: float) -> bool:
        """Whether to take the frame at *time_s*. To be called once for each frame, in order."""
        due_s = time_s if self._due_s is None else self._due_s
        early_s = _EARLY * (time_s - self._last_s)
        self._last_s = time_s
        if time_s + early_s < due_s:
            return False
        is_late = time_s - due_s >= self._spacing_s
        self._due_s = (time_s if is_late else due_s) + self._spacing_s
        return True
