"""Reduce the work for a live stream that falls behind: first detail, then frames."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

_log = logging.getLogger("streamer.matting")

_SOON_S, _LATE_S = 0.5, 2.0
"""Seconds over which waiting frames are averaged: to reduce detail, and to leave out frames."""
_BEHIND, _FULL, _AT_EASE = 1.5, 2.5, 0.5
"""
Waiting frames on average. Above the first, detail is reduced. Above the second, frames are left
out, which would be dropped anyway. Below the third, there is time to spare.
"""
_SHORT, _STARVES, _ENOUGH = 0.35, 0.15, 0.5
"""
The share of the core time that it wants which the model gets. Below the first, detail is reduced,
as mattes would be old. Below the second, there would be no mattes. From the third on, there is time
to spare.
"""
_AS_FULL = 4
"""A model that starves counts as at least so many waiting frames."""
_HELD_S = 1.0
"""A longer gap between frames means that the stream was held."""
_MORE_AFTER_S = 1.0
"""Least time from one step to the next that reduces more."""
_LESS_AFTER_S, _MOST_PATIENT_S = 5.0, 60.0
"""Time until a step gives back, at first and at most; doubled each time that it was a mistake."""


@dataclass(frozen=True, slots=True)
class Step:
    """How much work is done for each frame."""

    coarse: bool = False
    """Flow is found at half the size, in a third of the time."""
    kept: int = 1
    """So many frames…"""
    of: int = 1
    """…of every so many get a matte; the others are left out, evenly spread."""

    def __str__(self) -> str:
        if not self.coarse:
            return "all"
        return "coarser flow" + (f", {self.kept} of {self.of} frames" if self.of > 1 else "")


STEPS = (
    Step(),
    Step(coarse=True),
    Step(coarse=True, kept=2, of=3),
    Step(coarse=True, kept=1, of=2),
    Step(coarse=True, kept=1, of=3),
)
"""The first does all; each does less than the one before."""


class Pace:
    """
    Chooses the step, from how many frames wait and how much core time the model gets.

    For one thread; others may read it.

    Attributes:
        step: the current one.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.step = STEPS[0]
        self._number = 0
        self._soon = self._late = 0.0
        """Frames that wait, on average."""
        self._share = 1.0
        self._saw_s = -math.inf
        self._changed_s = -math.inf
        self._patience_s = _LESS_AFTER_S
        self._gave_back = False
        self._phase = 0
        self._changes = 0

    def note_share(self, share: float) -> None:
        """Note the *share* that the model gets of the core time that it wants."""
        self._share = share

    def keeps(self, waiting: int, now_s: float) -> bool:
        """
        Whether the next frame gets a matte.

        Args:
            waiting: frames behind it, plus mattes that wait for the quickest sink.
            now_s: monotonic.
        """
        self._saw(waiting, now_s)
        self._phase += self.step.kept
        if self._phase < self.step.of:
            return False
        self._phase -= self.step.of
        return True

    def statistics(self) -> dict[str, Any]:
        """`{step, kept, coarse, changes}`; the step is in words, `kept` the share of frames."""
        step = self.step
        return {
            "step": str(step),
            "kept": round(step.kept / step.of, 3),
            "coarse": step.coarse,
            "changes": self._changes,
        }

    def _saw(self, waiting: int, now_s: float) -> None:
        if now_s < self._saw_s:
            self._begin()  # another clock
        if self._saw_s == -math.inf:
            self._saw_s = self._changed_s = now_s
        passed_s, self._saw_s = now_s - self._saw_s, now_s
        if passed_s > _HELD_S:
            self._changed_s += passed_s
            passed_s = 0.0
        full = max(waiting, _AS_FULL) if self._share < _STARVES else waiting
        self._soon += (waiting - self._soon) * -math.expm1(-passed_s / _SOON_S)
        self._late += (full - self._late) * -math.expm1(-passed_s / _LATE_S)
        since_s = now_s - self._changed_s
        if self.step.coarse:
            behind = self._late > _FULL
        else:
            behind = self._soon > _BEHIND or self._share < _SHORT
        if behind and since_s >= _MORE_AFTER_S and self._number < len(STEPS) - 1:
            if self._gave_back and since_s < self._patience_s:
                self._patience_s = min(2 * self._patience_s, _MOST_PATIENT_S)
            why = "frames wait" if self._soon > _BEHIND else "the model gets too little time"
            self._go_to(self._number + 1, now_s, why)
            return
        at_ease = self._soon < _AT_EASE and self._share >= _ENOUGH
        if at_ease and since_s >= self._patience_s and self._number:
            self._go_to(self._number - 1, now_s, "there is time for more")

    def _go_to(self, number: int, now_s: float, why: str) -> None:
        self._gave_back = number < self._number
        self._number, self.step = number, STEPS[number]
        self._changed_s = now_s
        self._changes += 1
        _log.info("live: %s (%s)", self.step, why)
