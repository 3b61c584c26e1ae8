"""Fewer frames of a live stream than it gives, evenly spaced."""

from __future__ import annotations

_EARLY = 0.4
"""
Share of the time since the frame before by which a frame may be early: no rate is exact, and one
that comes a little before its time is nearer to it than the one after it.
"""


class Thinning:
    """
    Chooses which frames to take, so that on the average no more than so many come in a second.

    What was taken too early or too late does not add up: the times at which frames are due are
    evenly spaced, and begin anew only after a gap.

    Args:
        max_fps: frames per second; None takes all.
    """

    def __init__(self, max_fps: float | None) -> None:
        self._spacing_s = 0.0 if max_fps is None else 1 / max_fps
        self._due_s: float | None = None
        self._last_s = 0.0

    def takes(self, time_s: float) -> bool:
        """Whether to take the frame of this time; each frame is asked about once, in order."""
        due_s = time_s if self._due_s is None else self._due_s
        early_s = _EARLY * (time_s - self._last_s)
        self._last_s = time_s
        if time_s + early_s < due_s:
            return False
        is_late = time_s - due_s >= self._spacing_s
        self._due_s = (time_s if is_late else due_s) + self._spacing_s
        return True
