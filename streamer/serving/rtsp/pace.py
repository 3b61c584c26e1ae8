"""How many messages a second one viewer is served."""

from __future__ import annotations

import time
from collections.abc import Callable

_BURST_S = 1.0


class Pace:
    """
    So many a second, and a second's worth at once. Used from the server's thread.

    Args:
        per_s: the number.
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
        """One was served."""
        self._used_up_to_s = max(self._used_up_to_s, self._now()) + self._step_s
