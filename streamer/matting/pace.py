"""What a live stream does without where there is too much to do: first detail, then frames."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

_log = logging.getLogger("streamer.matting")

_SMOOTH_S = 0.5
"""Over which the frames that wait are averaged."""
_BEHIND, _AT_EASE = 1.5, 0.5
"""Frames that wait on average: more is too many, fewer leaves time to spare."""
_SHORT, _STARVES, _ENOUGH = 0.35, 0.15, 0.5
"""
Of a core's time that the model gets: with less than the first, detail goes, for mattes would be
old; with less than the second, frames do; with more than the third, there is time to spare.
"""
_MORE_AFTER_S = 1.0
"""From one step to the next that takes away more, at least."""
_LESS_AFTER_S, _MOST_PATIENT_S = 5.0, 60.0
"""From one step to the next that gives back, which is doubled each time that it was a mistake."""


@dataclass(frozen=True, slots=True)
class Step:
    """One way of going on."""

    coarse: bool = False
    """Flow is found at half the size, in a third of the time."""
    kept: int = 1
    """So many frames…"""
    of: int = 1
    """…of so many get a matte; the others are left out, evenly."""

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
    Chooses the step, from how many frames wait and what is left for the model.

    For one thread; others may read it.

    Attributes:
        step: as it is now.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.step = STEPS[0]
        self._number = 0
        self._waiting = 0.0
        self._share = 1.0
        self._saw_s = -math.inf
        self._changed_s = -math.inf
        self._patience_s = _LESS_AFTER_S
        self._gave_back = False
        self._phase = 0
        self._changes = 0

    def hear(self, share: float) -> None:
        """The model had this *share* of a core's time since it was asked what it works on."""
        self._share = share

    def keeps(self, waiting: int, now_s: float) -> bool:
        """
        Whether the next frame gets a matte.

        Args:
            waiting: frames behind it, and mattes that wait for the slowest sink.
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
        self._waiting += (waiting - self._waiting) * -math.expm1(-passed_s / _SMOOTH_S)
        since_s = now_s - self._changed_s
        starves = self._share < (_STARVES if self.step.coarse else _SHORT)
        behind = starves or self._waiting > _BEHIND
        if behind and since_s >= _MORE_AFTER_S and self._number < len(STEPS) - 1:
            if self._gave_back and since_s < self._patience_s:
                self._patience_s = min(2 * self._patience_s, _MOST_PATIENT_S)
            self._go_to(self._number + 1, now_s, "the model starves" if starves else "frames wait")
            return
        at_ease = self._waiting < _AT_EASE and self._share >= _ENOUGH
        if at_ease and since_s >= self._patience_s and self._number:
            self._go_to(self._number - 1, now_s, "there is time for more")

    def _go_to(self, number: int, now_s: float, why: str) -> None:
        self._gave_back = number < self._number
        self._number, self.step = number, STEPS[number]
        self._changed_s = now_s
        self._changes += 1
        _log.info("live: %s (%s)", self.step, why)
