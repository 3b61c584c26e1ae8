"""Timestamps that grow, and the clock that reading is timed with."""

from __future__ import annotations

import time
from fractions import Fraction


class Timeline:
    """
    Timestamps that grow strictly, mended where a stream's own are missing or go back.

    A frame is never dropped for its timestamp: one that is late by little comes one unit after
    its predecessor; where the clock of the stream was set back, the rest goes on from there.
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None) -> None:
        self._reset_units = round(1 / time_base)
        self.step = max(1, round(1 / ((rate or Fraction(25)) * time_base)))
        self.offset = 0
        """Units that are added to the stream's own timestamps now."""
        self._former_offset = 0
        self._last: int | None = None

    @property
    def next(self) -> int:
        """Where a frame without a timestamp of its own belongs."""
        return 0 if self._last is None else self._last + self.step

    def place(self, pts: int | None) -> int:
        """The timestamp to use for a frame that says *pts*."""
        placed = self.next if pts is None else pts + self.offset
        if self._last is not None and placed <= self._last:
            if pts is not None and self._last - placed > self._reset_units:
                self._former_offset = self.offset
                self.offset += self._last + self.step - placed
                placed = self._last + self.step
            else:
                placed = self._last + 1
        self._last = placed
        return placed

    def offset_of(self, pts: Fraction) -> int:
        """
        Units to add to *pts*, the time of something that goes with the frames, such as audio.

        Just after the clock was set back, some of it still has the old time: it gets the offset
        that brings it nearest to the latest frame.
        """
        last = self._last or 0
        offsets = (self.offset, self._former_offset)
        return min(offsets, key=lambda offset: abs(pts + offset - last))


def exact(value: float) -> Fraction:
    """*value* as the decimal it was written as: 0.1 is 1/10."""
    return Fraction(str(value))


def now_s() -> float:
    """Monotonic seconds, for telling time-outs from other failures."""
    return time.monotonic()
