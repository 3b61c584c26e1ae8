"""A rate limit for the messages of one viewer."""

from __future__ import annotations

import time
from collections.abc import Callable

_BURST_S = 1.0


class Pace:
    """
    Allows *per_s* messages a second, and bursts of one second's worth. Used from the server's
    thread.

    Args:
        per_s: messages per second.
        now: seconds, monotonic; for tests.
    """

    def __init__(self, per_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._step_s = 1 / per_s
        self._now = now
        self._used_up_to_s = float("-inf")

    def wait_s(self) -> float:
        """Seconds until there is room for one more; 0 or less when there is."""
        return self._used_up_to_s + self._step_s - self._now() - max(_BURST_S, self._step_s)

    def count(self) -> None:
        """Count one message as served."""
        self._used_up_to_s = max(self._used_up_to_s, self._now()) + self._step_s
