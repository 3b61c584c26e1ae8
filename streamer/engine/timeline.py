"""One timeline for a live run, over all its connections."""

from __future__ import annotations

from fractions import Fraction

from streamer.frame import Grab

_FAR_S = 10
"""Timestamps that are further than this from the wall clock are set to it."""
_DRIFT = 1000
"""A camera's clock drifts by less than one part in this many; any more is a delay."""
_NS = 1_000_000_000


class RunTimeline:
    """
    Timestamps that grow strictly over a whole run, in its first connection's time base.

    Within a connection they are the stream's own, shifted by one offset. A new connection begins
    at the wall clock's time, so that a gap lasts as long as it really did; timestamps that leap
    more than 10 s away from it are set back to it. The wall clock follows the stream's slowly, so
    that delays do not add up over reconnects and drift makes no leaps. Not thread-safe.
    """

    def __init__(self) -> None:
        self._time_base: Fraction | None = None
        self._offset: int | None = 0
        self._last: int | None = None
        self._ahead_ns: int | None = None
        self._captured_ns = 0

    @property
    def time_base(self) -> Fraction:
        """Seconds in one unit; known after `connect`."""
        if self._time_base is None:
            raise RuntimeError("no connection has said its time base yet")
        return self._time_base

    def connect(self, time_base: Fraction) -> None:
        """Begin another connection, whose timestamps have nothing to do with the last one's."""
        if self._time_base is None:
            self._time_base = time_base
        if self._ahead_ns is not None:
            self._offset = None

    def place(self, grab: Grab) -> int:
        """The timestamp for the frame of *grab*, in units of `time_base`."""
        own = self._units(grab.pts * grab.time_base)
        if self._ahead_ns is None:
            self._ahead_ns = self._nanoseconds(own) - grab.captured_ns
            self._captured_ns = grab.captured_ns
        by_clock = self._by_clock(grab.captured_ns)
        if self._offset is None or self._is_far(own + self._offset - by_clock):
            self._offset = by_clock - own
        pts = self._next(own + self._offset)
        self._follow(pts, grab.captured_ns)
        return pts

    def stand_in(self, now_ns: int) -> int:
        """The timestamp for a frame made at *now_ns*, which has none of its own."""
        return self._next(self._by_clock(now_ns))

    def offset_s(self) -> Fraction | None:
        """
        The seconds added to the connection's timestamps; None before its first frame.

        For data that comes with the pictures, such as audio.
        """
        return None if self._offset is None else self._offset * self.time_base

    def _next(self, pts: int) -> int:
        self._last = pts if self._last is None else max(pts, self._last + 1)
        return self._last

    def _follow(self, pts: int, captured_ns: int) -> None:
        """Correct the clock by at most what a stream's may have drifted since the last frame."""
        assert self._ahead_ns is not None  # noqa: S101 - called by `place`
        most_ns = max(0, captured_ns - self._captured_ns) // _DRIFT
        off_ns = self._nanoseconds(pts) - captured_ns - self._ahead_ns
        self._ahead_ns += min(max(off_ns, -most_ns), most_ns)
        self._captured_ns = captured_ns

    def _by_clock(self, now_ns: int) -> int:
        return self._units(Fraction(now_ns + (self._ahead_ns or 0), _NS))

    def _is_far(self, units: int) -> bool:
        return abs(units) * self.time_base > _FAR_S

    def _units(self, seconds: Fraction) -> int:
        return round(seconds / self.time_base)

    def _nanoseconds(self, units: int) -> int:
        return round(units * self.time_base * _NS)
