"""How long to wait before something is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable

_JITTER = 0.2
"""Pauses are spread by a fifth up or down, so that many do not come back together."""


class Backoff:
    """
    Pauses that double after each failure.

    Args:
        first_s: the first, in seconds.
        max_s: the longest.
        chance: gives numbers uniform in [0, 1), for tests to pass in.
    """

    def __init__(
        self, first_s: float, max_s: float, chance: Callable[[], float] = random.random
    ) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._chance = chance
        self._next_s = first_s

    def pause_s(self, *, slowly: bool = False) -> float:
        """Seconds to wait after one more failure; *slowly* goes straight to the longest."""
        pause_s = self._max_s if slowly else self._next_s
        self._next_s = min(2 * self._next_s, self._max_s)
        return pause_s * (1 + _JITTER * (2 * self._chance() - 1))

    def reset(self) -> None:
        """It went well: begin at the shortest pause again."""
        self._next_s = self._first_s
