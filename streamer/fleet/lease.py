"""How long a worker may keep its streams without hearing from the controller."""

from __future__ import annotations

from streamer.core.clock import Clock

_NS = 1_000_000_000
EARLY_S = 0.5
"""Before the end of the lease: when outputs begin to be closed."""


class Lease:
    """
    The time until which a worker may have its streams.

    It is counted from when the report was *sent* that was answered last, by the worker's own clock:
    so it ends before the controller thinks that it does, however long messages take.

    Args:
        clock: monotonic time.

    Not thread-safe.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_ns: int | None = None

    def renew(self, sent_ns: int, lease_s: float) -> None:
        """Note that the report which was sent at *sent_ns* has been answered."""
        until_ns = sent_ns + int(lease_s * _NS)
        self._until_ns = max(until_ns, self._until_ns or until_ns)

    @property
    def must_let_go(self) -> bool:
        """Whether outputs must be closed now. True before the first answer."""
        return self._left_ns() <= EARLY_S * _NS

    @property
    def is_over(self) -> bool:
        """Whether another worker may have the streams soon."""
        return self._left_ns() <= -EARLY_S * _NS

    @property
    def left_s(self) -> float:
        """Seconds until it ends; below 0 once it has."""
        return self._left_ns() / _NS

    def _left_ns(self) -> int:
        if self._until_ns is None:
            return -_NS
        return self._until_ns - self._clock.now_ns()
