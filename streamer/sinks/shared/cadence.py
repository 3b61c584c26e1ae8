"""A constant frame rate in step with the source's clock: pictures are repeated or skipped."""

from __future__ import annotations

import math
from fractions import Fraction

from streamer.frame import Stamp
from streamer.sinks.shared.timeline import Timeline

_HALF = Fraction(1, 2)


class Cadence:
    """
    Counts the ticks of a constant rate. Not thread-safe.

    Args:
        fps: ticks a second.
        longest_s: seconds between two pictures at most; a longer gap is cut to this.
        time_base: seconds in one unit of the timestamps.

    Attributes:
        lost: ticks that were cut so far.
    """

    def __init__(self, fps: Fraction, longest_s: int, time_base: Fraction) -> None:
        self._fps = fps
        self._most = max(1, math.floor(longest_s * fps))
        self._timeline = Timeline(time_base, fps)
        self._next = 0
        self.lost = 0

    def ticks(self, stamp: Stamp) -> int:
        """
        Number of ticks since the previous picture's, up to and with the one nearest to *stamp*.

        0 where that tick has its picture already.
        """
        at_s = self._timeline.place(stamp) * self._timeline.time_base
        tick = math.floor(at_s * self._fps + _HALF) - self.lost
        count = max(0, tick + 1 - self._next)
        self._next += count
        if count > self._most:
            self.lose(count - self._most)
            return self._most
        return count

    def lose(self, ticks: int) -> None:
        """Take back so many of the ticks counted last: the clock goes on without them."""
        self._next -= ticks
        self.lost += ticks
