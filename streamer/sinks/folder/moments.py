"""
Which frames become pictures.

One thread calls `wants` once for every frame, in order; any thread may call `Triggered.trigger`.
"""

from __future__ import annotations

import threading
from fractions import Fraction
from typing import Protocol

import cv2
import numpy as np

from streamer.compositing import alpha_level, mask
from streamer.config import DEFAULT_SETTINGS
from streamer.frame import Alpha, Frame, Matte


class Moments(Protocol):
    """Chooses the frames that become pictures."""

    def wants(self, frame: Frame, matte: Matte) -> bool:
        """Whether a picture of *frame* is wanted; *matte* is its own. Both are borrowed."""
        ...


class Every:
    """Every frame."""

    def wants(self, frame: Frame, matte: Matte) -> bool:
        """Always true."""
        return True


class Spaced:
    """
    The first frame, and then the first in each interval of the stream's own time.

    Where that time runs backwards, as in a source that restarts, the intervals restart too.

    Args:
        every_s: seconds.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = Fraction(str(every_s))
        self._last_s: Fraction | None = None
        self._due_s = Fraction(0)

    def wants(self, frame: Frame, matte: Matte) -> bool:
        """Whether its interval has no picture yet."""
        now_s = matte.stamp.pts * matte.stamp.time_base
        if self._last_s is None or now_s < self._last_s:
            self._due_s = now_s
        self._last_s = now_s
        if now_s < self._due_s:
            return False
        self._due_s += self._every_s * (1 + (now_s - self._due_s) // self._every_s)
        return True


class Triggered:
    """The next frame after each `trigger`; several before one frame count as one."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def trigger(self) -> None:
        """Ask for the next frame. Thread-safe."""
        self._asked.set()

    def wants(self, frame: Frame, matte: Matte) -> bool:
        """Whether there was a trigger since the last frame."""
        asked = self._asked.is_set()
        if asked:
            self._asked.clear()
        return asked


class Appearances:
    """
    The first frame with a subject, and each one where a subject returns after a while.

    Args:
        share: of the frame that the mask must cover to count as a subject, in (0, 1).
        absent_s: seconds of the stream's time without a subject before it returns.
    """

    def __init__(self, share: float, absent_s: float) -> None:
        self._share = share
        self._absent_s = Fraction(str(absent_s))
        self._seen = False
        self._gone_since_s: Fraction | None = None
        self._mask: Alpha = np.empty((0, 0), np.uint8)

    def wants(self, frame: Frame, matte: Matte) -> bool:
        """Whether a subject appears in it."""
        now_s = matte.stamp.pts * matte.stamp.time_base
        settings = frame.settings or DEFAULT_SETTINGS
        if not self._has_subject(matte.alpha, settings.refine.threshold):
            if self._gone_since_s is None or now_s < self._gone_since_s:
                self._gone_since_s = now_s
            return False
        gone_since_s, self._gone_since_s = self._gone_since_s, None
        seen, self._seen = self._seen, True
        if not seen:
            return True
        return gone_since_s is not None and now_s - gone_since_s >= self._absent_s

    def _has_subject(self, alpha: Alpha, threshold: float) -> bool:
        if self._mask.shape != alpha.shape:
            self._mask = np.empty_like(alpha)
        mask(alpha, alpha_level(threshold), self._mask)
        return cv2.countNonZero(self._mask) >= self._share * alpha.size
