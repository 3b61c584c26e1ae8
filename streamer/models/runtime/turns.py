"""
Whose turn it is on a device: runs of one priority go one at a time, the most urgent first.

Streams that share a model, or a device, would otherwise get it by chance, and a stream that asks
often would keep it from others.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

from streamer.core.clock import Clock, SystemClock
from streamer.core.cpu import priority
from streamer.core.metrics import LatencyHistogram
from streamer.protocols import ModelUse

_NS = 1_000_000_000


class User:
    """
    One stream, in the eyes of the devices that its models run on; counts what it gets of them.

    Args:
        waits: records how long each run waits for its turn.
        budget_s: seconds from asking until an answer is late; asked for each run.

    Several threads may use it, also at once: a stream's old model and the one that replaces it.
    """

    def __init__(
        self,
        waits: LatencyHistogram | None = None,
        budget_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._budget_s = budget_s
        self._waits = waits or LatencyHistogram()
        self._lock = threading.Lock()
        self._runs = 0
        self._busy_ns = 0

    @property
    def budget_ns(self) -> int:
        """Nanoseconds from asking until an answer is late."""
        return int(self._budget_s() * _NS)

    def count(self, wait_ns: int, busy_ns: int) -> None:
        """Count one run, and the wait before it."""
        self._waits.record(wait_ns)
        with self._lock:
            self._runs += 1
            self._busy_ns += busy_ns

    def use(self) -> ModelUse:
        """What it got so far."""
        with self._lock:
            runs, busy_ns = self._runs, self._busy_ns
        return ModelUse(runs, busy_ns / _NS)


ANYBODY = User()
"""Whoever does not care: a single run, or the only stream."""


class Turns:
    """
    Gives turns on one device, earliest deadline first; among equals, first come, first served.

    A deadline is fixed when a turn is asked for, and those of later turns are later: everyone who
    waits gets a turn, however often others ask. Thread-safe.

    Args:
        clock: the clock; tests pass their own.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._taken = False
        self._numbers = itertools.count()
        self._waiting: list[tuple[int, int, threading.Event]] = []

    @contextmanager
    def turn(self, user: User) -> Iterator[None]:
        """Wait for a turn of *user*, and hold it within the block. Turns do not nest."""
        asked_ns = self._clock.now_ns()
        self._take(asked_ns + user.budget_ns)
        began_ns = self._clock.now_ns()
        try:
            yield
        finally:
            self._give_back()
            user.count(began_ns - asked_ns, self._clock.now_ns() - began_ns)

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        with self._lock:
            return len(self._waiting)

    def _take(self, due_ns: int) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            called = threading.Event()
            mine = (due_ns, next(self._numbers), called)
            heapq.heappush(self._waiting, mine)
        try:
            called.wait()
        except BaseException:  # such as KeyboardInterrupt: nobody must wait for this one
            self._leave(mine)
            raise

    def _leave(self, mine: tuple[int, int, threading.Event]) -> None:
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                heapq.heapify(self._waiting)
                return
        self._give_back()

    def _give_back(self) -> None:
        """Hand the turn to whoever is due first."""
        with self._lock:
            if self._waiting:
                heapq.heappop(self._waiting)[-1].set()
            else:
                self._taken = False


_all: WeakValueDictionary[Hashable, Turns] = WeakValueDictionary()
_finding = threading.Lock()


def turns_on(*device: Hashable) -> Turns:
    """
    The turns on *device*, by its name; all with the present thread's priority share them.

    Those of another priority have their own: a run of low priority may last long while others work,
    and would hold up one of a higher priority.
    """
    key = (*device, priority())
    with _finding:
        turns = _all.get(key)
        if turns is None:
            turns = _all[key] = Turns()
    return turns
