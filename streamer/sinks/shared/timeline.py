"""When each frame of a recording is shown."""

from __future__ import annotations

from fractions import Fraction

from streamer.frame import Stamp

_NOMINAL_FPS = Fraction(25)
_LONGEST_S = 1
"""Seconds: frames further apart have a gap between them, which is no frame's length."""


class Timeline:
    """
    Turns the source's timestamps into the file's: the same steps, from 0, always forward.

    The first frame is at 0, whatever the source's clock says: otherwise players show hours of
    nothing, and MP4 holds no time below 0. A timestamp that is not after the last one, as after a
    reconnect, is placed one frame later, and those after it count from there.

    Args:
        time_base: seconds in one unit of the file's timestamps.
        fps: the nominal rate, which gives a frame's length. When None, that is the distance of the
            last two frames that were at most 1 s apart, and 1/25 s before there are any.
    """

    def __init__(self, time_base: Fraction, fps: Fraction | None) -> None:
        self.time_base = time_base
        self.step: int = max(1, round(1 / (fps or _NOMINAL_FPS) / time_base))
        self._fixed_step = fps is not None
        self._shift = 0
        self._last: int | None = None

    @property
    def seconds(self) -> float:
        """From the first frame's beginning to the last one's end."""
        if self._last is None:
            return 0.0
        return float((self._last + self.step) * self.time_base)

    def place(self, stamp: Stamp) -> int:
        """The frame's time in the file, in units of `time_base`; always after the one before."""
        pts = stamp.pts
        if stamp.time_base != self.time_base:
            pts = round(pts * stamp.time_base / self.time_base)
        if self._last is None:
            self._shift, self._last = -pts, 0
            return 0
        step = pts + self._shift - self._last
        if step <= 0:
            self._shift = self._last + self.step - pts
        elif not self._fixed_step and step * self.time_base <= _LONGEST_S:
            self.step = step
        self._last = pts + self._shift
        return self._last

    def moved(self, pts: int, time_base: Fraction) -> int | None:
        """
        The time of something that goes with the frames, such as audio, in its own *time_base*.

        None where it is from before the first frame.
        """
        if self._last is None:
            return None
        placed = pts + round(self._shift * self.time_base / time_base)
        return placed if placed >= 0 else None
