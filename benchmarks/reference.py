"""
What the machine at hand does without us, so that limits are ratios and hold on any machine.

Everything is measured in turns, round after round, and each round gives a ratio of its own: what
slows the machine for a while slows both sides of it. The ratio that counts is the rounds' median.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np

from streamer.frame import Image

Work = Callable[[], object]


def in_turns(
    works: Mapping[str, Work],
    *,
    rounds: int,
    calls: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, list[float]]:
    """
    The mean milliseconds of a call in each round, by what was called.

    Args:
        works: each is called *calls* times in a row, in each round; once before, to warm up.
        rounds: how often it is the turn of each.
        calls: of one turn.
        clock: seconds; the process's CPU time when absent.
    """
    for work in works.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            began = clock()
            for _ in range(calls):
                work()
            taken[name].append((clock() - began) / calls * 1000)
    return taken


def times(of: Sequence[float], to: Sequence[float]) -> float:
    """How many times *to* it is: the median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(of, to, strict=True))


def copying(*shape: int, dtype: type = np.uint8) -> Work:
    """A bare copy of such an array."""
    source: np.ndarray[Any, Any] = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    target = np.empty_like(source)
    return lambda: np.copyto(target, source)


def resizing(image: Image, width: int, height: int) -> Work:
    """A bare bilinear resize to that size."""
    target = np.empty((height, width, 3), np.uint8)
    return lambda: cv2.resize(image, (width, height), dst=target)


@dataclass(frozen=True, slots=True)
class Decoding:
    """A film decoded to its end."""

    count: int
    """Frames."""
    cpu_s: float
    wall_s: float

    @property
    def cpu_ms(self) -> float:
        """Of a frame."""
        return self.cpu_s / self.count * 1000

    @property
    def wall_ms(self) -> float:
        """Of a frame."""
        return self.wall_s / self.count * 1000


def bare_decoding(path: Path) -> Decoding:
    """Decode a film to BGR by PyAV alone, on all cores."""
    count, cpu, wall = 0, time.process_time(), time.perf_counter()
    with av.open(str(path)) as film:
        film.streams.video[0].thread_type = "AUTO"
        for frame in film.decode(video=0):
            frame.to_ndarray(format="bgr24")
            count += 1
    return Decoding(count, time.process_time() - cpu, time.perf_counter() - wall)


@dataclass(frozen=True, slots=True)
class Limit:
    """What was measured, and what it must be."""

    name: str
    measured: float
    sign: Literal["<=", ">="]
    wanted: float

    @property
    def kept(self) -> bool:
        """Whether it is as it must be."""
        if self.sign == ">=":
            return self.measured >= self.wanted
        return self.measured <= self.wanted


def print_limits(limits: Sequence[Limit]) -> int:
    """The table of *limits*; 1 where one is not kept."""
    print("| limit | measured | must be | |\n|---|---|---|---|")
    for limit in limits:
        verdict = "kept" if limit.kept else "BROKEN"
        print(
            f"| {limit.name} | {limit.measured:,.2f} | {limit.sign} {limit.wanted:,.4g} "
            f"| {verdict} |"
        )
    return int(not all(limit.kept for limit in limits))
