"""
Which node gets a stream: by what nodes were measured to do, and streams to cost.

Loads and costs are shares of a node's time, from 0 to 1: of its model or its cores, whichever is
busier.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from streamer.config.needs import NeedsConfig
from streamer.fleet.messages import NodeFacts

FIRST_GUESS = 0.1
"""Share of a node that a stream of weight 1 is taken to cost before any was measured."""
_SAMPLE = 101
"""Measured costs that a guess is made of."""
_Kind = tuple[object, ...]
"""Needs that the same nodes meet."""
_WEIGHT = 0.3
"""Of a new measurement, against those before."""


def fits(needs: NeedsConfig, node: NodeFacts) -> bool:
    """Whether *node* has what a stream needs."""
    if needs.gpu and not node.gpu:
        return False
    return all(node.labels.get(label) == value for label, value in needs.labels.items())


class Costs:
    """What streams cost: measured, or guessed from those that were. Not thread-safe."""

    def __init__(self) -> None:
        self._measured: dict[str, float] = {}
        self._weights: dict[str, float] = {}
        self._unit: float | None = None

    def measured(self, stream: str, weight: float, cost: float) -> None:
        """Note that *stream* was seen to cost *cost*."""
        before = self._measured.get(stream, cost)
        self._measured[stream] = before + _WEIGHT * (cost - before)
        self._weights[stream] = weight
        self._unit = None

    def forget(self, stream: str) -> None:
        """Forget *stream*, which is no longer wanted, or is another one from now on."""
        self._measured.pop(stream, None)
        self._weights.pop(stream, None)

    def knows(self, stream: str) -> bool:
        """Whether *stream* was measured."""
        return stream in self._measured

    def of(self, stream: str, weight: float) -> float:
        """What *stream* costs: as measured, or else as guessed."""
        known = self._measured.get(stream)
        return known if known is not None else self.guessed(weight)

    def elsewhere(self, stream: str, weight: float) -> float:
        """What *stream* costs on a node that is not late: no more than others of its weight."""
        return min(self.of(stream, weight), self.guessed(weight))

    def guessed(self, weight: float) -> float:
        """What a stream of *weight* costs, as far as is known: the median of those measured."""
        if self._unit is None:
            some = list(self._measured.items())[:_SAMPLE]
            self._unit = median(cost / self._weights[name] for name, cost in some) if some else 0.0
        return min(1.0, weight * (self._unit or FIRST_GUESS))


@dataclass(slots=True)
class Room:
    """A node that takes streams, and how busy it is or will be by what it has been given."""

    worker: str
    node: NodeFacts
    load: float
    streams: int = 0
    """How many it has, or is to have."""


class Rooms:
    """
    Finds the least busy node for one stream after the other.

    Args:
        rooms: the nodes; their loads grow by what is put there.
        full: the load that they may reach.

    Each stream costs about the logarithm of the number of nodes, and each kind of needs one look at
    all of them. Not thread-safe.
    """

    def __init__(self, rooms: Iterable[Room], full: float) -> None:
        self._rooms = {room.worker: room for room in rooms}
        self._full = full
        self._heaps: dict[_Kind, list[tuple[float, str]]] = {}
        self._too_much: dict[_Kind, float] = {}
        """The least cost that fits nowhere, of each kind of needs."""
        self._reasons: dict[_Kind, str] = {}

    def place(
        self, needs: NeedsConfig, cost: float, allowed: Callable[[str], bool] = lambda _: True
    ) -> str | None:
        """
        The worker that is to have a stream of *needs* and *cost*; None if it fits nowhere.

        A node without streams takes any one. *allowed* says which workers may have it.
        """
        kind = _kind_of(needs)
        if cost >= self._too_much.get(kind, 2.0):
            return None
        heap = self._heap_of(kind, needs)
        passed: list[tuple[float, str]] = []
        found = None
        while heap:
            load, worker = heapq.heappop(heap)
            room = self._rooms[worker]
            if load != room.load:  # it was given something by another heap
                heapq.heappush(heap, (room.load, worker))
                continue
            passed.append((load, worker))
            if load + cost > self._full and room.streams:
                if len(passed) == 1:  # the least busy of all
                    self._too_much[kind] = cost
                break
            if allowed(worker):
                passed.pop()
                room.load += cost
                room.streams += 1
                heapq.heappush(heap, (room.load, worker))
                found = worker
                break
        for entry in passed:
            heapq.heappush(heap, entry)
        return found

    def why_not(self, needs: NeedsConfig) -> str:
        """Why a stream of *needs* fits nowhere, in a line."""
        kind = _kind_of(needs)
        if kind not in self._reasons:
            self._reasons[kind] = self._reason(needs)
        return self._reasons[kind]

    def _reason(self, needs: NeedsConfig) -> str:
        if not self._rooms:
            return "no node is there"
        matching = [room for room in self._rooms.values() if fits(needs, room.node)]
        if not matching:
            wanted = [f"{name}: {value}" for name, value in needs.labels.items()]
            return f"no node has {', '.join([*wanted, *(['a GPU'] if needs.gpu else [])])}"
        least = min(room.load for room in matching)
        return f"no room: the least busy of {len(matching)} nodes is at {least:.0%}"

    def _heap_of(self, kind: _Kind, needs: NeedsConfig) -> list[tuple[float, str]]:
        heap = self._heaps.get(kind)
        if heap is None:
            matching = [room for room in self._rooms.values() if fits(needs, room.node)]
            heap = self._heaps[kind] = [(room.load, room.worker) for room in matching]
            heapq.heapify(heap)
        return heap


def _kind_of(needs: NeedsConfig) -> _Kind:
    return (needs.gpu, *sorted(needs.labels.items()))
