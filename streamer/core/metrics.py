"""
Counters, latency histograms and the run report made of them.

Memory is flat however long a stream runs: a histogram counts into fixed logarithmic buckets.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

REPORT_VERSION = 1
"""Goes up when a field of the report changes its meaning or is removed."""

DropReason = Literal["overwritten", "stale", "sink_full", "thinned", "decode_error"]
"""
Why a captured frame reached no sink: `overwritten` by a newer one while it waited for a matte,
`stale` because the stream was stopped before its turn, `sink_full` because every sink was busy,
`thinned` because there is time for some of the frames only, `decode_error` because it could not be
decoded.
"""
DROP_REASONS: tuple[DropReason, ...] = (
    "overwritten",
    "stale",
    "sink_full",
    "thinned",
    "decode_error",
)


SinkKey = tuple[int, str]
"""A sink by its number, from 0, and its type: another type at the same place counts apart."""


@dataclass(frozen=True, slots=True)
class MatteAges:
    """Frames since the inference that each matte rests on."""

    mean: float
    max: int


@dataclass(frozen=True, slots=True)
class Cumulative:
    """A histogram as it was at one moment: how many values were up to each of some bounds."""

    up_to: tuple[int, ...]
    """Values up to each bound; never falls from one bound to the next, nor with time."""
    total: int
    """All values, those above the last bound included."""
    sum: float
    """All values added up."""


Mark = tuple[int, ...]
"""The counts of a histogram at some moment; () before its first."""


class LatencyHistogram:
    """
    Durations from 1 µs to about 3 h in buckets 2 % wide, hence quantiles to within 1 %.

    Args:
        whole: another histogram, which gets all that is recorded here too.

    Thread-safe.
    """

    _GROWTH = math.log(1.02)
    _BUCKETS = 1170

    def __init__(self, whole: LatencyHistogram | None = None) -> None:
        self._whole = whole
        self._counts = [0] * self._BUCKETS
        self._total = 0
        self._sum_ns = 0
        self._lock = threading.Lock()

    def record(self, duration_ns: int) -> None:
        """
        Count one duration in nanoseconds; less than 1 µs counts as 1 µs.

        The sum has it as it is, but never less than 0.
        """
        microseconds = max(duration_ns / 1000, 1.0)
        bucket = min(int(math.log(microseconds) / self._GROWTH), self._BUCKETS - 1)
        with self._lock:
            self._counts[bucket] += 1
            self._total += 1
            self._sum_ns += max(duration_ns, 0)
        if self._whole is not None:
            self._whole.record(duration_ns)

    def mark(self) -> Mark:
        """What has been counted up to now, for `quantile_ms`."""
        with self._lock:
            return tuple(self._counts)

    def quantile_ms(self, share: float, since: Mark = ()) -> float | None:
        """
        The duration in milliseconds that *share* (0..1) of all stay below; None if there is none.

        Args:
            share: of the durations.
            since: those up to this mark of the same histogram are left out.
        """
        counts = self.mark()
        if since:
            counts = tuple(now - then for now, then in zip(counts, since, strict=True))
        total = sum(counts)
        if not total:
            return None
        seen = itertools.accumulate(counts)
        bucket = next(n for n, below in enumerate(seen) if below > share * (total - 1))
        return math.exp((bucket + 0.5) * self._GROWTH) / 1000

    def cumulative(self, bounds_s: Sequence[float]) -> Cumulative:
        """
        The durations up to each of *bounds_s*, and their sum in seconds, of one moment.

        Args:
            bounds_s: seconds, rising; each counts as 1 % less or more, the sum is exact.
        """
        with self._lock:
            counts, total, sum_ns = self._counts.copy(), self._total, self._sum_ns
        up_to: list[int] = []
        seen = done = 0
        for bound_s in bounds_s:
            # The edge between two buckets that is nearest.
            edge = round(math.log(max(bound_s * 1e6, 1.0)) / self._GROWTH)
            seen += sum(counts[done:edge])
            done = max(done, edge)
            up_to.append(seen)
        return Cumulative(tuple(up_to), total, sum_ns / 1e9)

    def summary(self) -> dict[str, float | None]:
        """`{p50, p95, p99}` in milliseconds, rounded to a microsecond."""
        return {
            name: None if (value := self.quantile_ms(share)) is None else round(value, 3)
            for name, share in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99))
        }


class Metrics:
    """
    The counts and times of one run. Thread-safe.

    `captured` counts every frame the source gave or lost in decoding; each is later `emitted` (at
    least one sink took it) or dropped for one reason, so that after the end
    `captured == emitted + sum(drops)`. Stand-by frames are no frames of the source: those that a
    sink took count as `standby`, and nowhere else.

    Attributes:
        on_drop: told the reason of each dropped frame, by the thread that drops it; to be set
            before the first drop.
    """

    def __init__(self) -> None:
        self.on_drop: Callable[[DropReason], None] = lambda reason: None
        self._lock = threading.Lock()
        self._frames = Counter[str]()
        self._drops = Counter[str]()
        self._latency: dict[str, LatencyHistogram] = {}
        self._of_sinks: dict[tuple[SinkKey, str], LatencyHistogram] = {}
        self._matte_age = Counter[int]()

    def count(self, what: str, by: int = 1) -> None:
        """Add to a frame counter; `frames` has their names."""
        with self._lock:
            self._frames[what] += by

    def drop(self, reason: DropReason) -> None:
        """Count one captured frame that reaches no sink."""
        with self._lock:
            self._drops[reason] += 1
        self.on_drop(reason)

    def matte_age(self, frames: int) -> None:
        """Count one matte that rests on an inference *frames* ago; more than 1000 count as 1000."""
        with self._lock:
            self._matte_age[min(frames, 1000)] += 1

    def latency(self, stage: str) -> LatencyHistogram:
        """The histogram of a stage, made at its first use."""
        with self._lock:
            return self._latency.setdefault(stage, LatencyHistogram())

    def latency_of_sink(self, sink: SinkKey, stage: str) -> LatencyHistogram:
        """The same for one sink; the stage's histogram counts it too."""
        whole = self.latency(stage)
        with self._lock:
            return self._of_sinks.setdefault((sink, stage), LatencyHistogram(whole))

    def sink_latencies(self, sink: SinkKey) -> dict[str, dict[str, float | None]]:
        """The quantiles of one sink's stages, by name; see `LatencyHistogram.summary`."""
        with self._lock:
            own = {stage: one for (of, stage), one in self._of_sinks.items() if of == sink}
        return {stage: own[stage].summary() for stage in sorted(own)}

    def frames(self) -> dict[str, int]:
        """The frame counters, all of them, zero or not."""
        with self._lock:
            return {
                name: self._frames[name]
                for name in ("captured", "inferred", "propagated", "empty", "emitted", "standby")
            }

    def drops(self) -> dict[str, int]:
        """The drops by reason, all reasons, zero or not."""
        with self._lock:
            return {reason: self._drops[reason] for reason in DROP_REASONS}

    def stages(self) -> dict[str, LatencyHistogram]:
        """The histograms over all sinks, by the name of the stage."""
        with self._lock:
            return dict(self._latency)

    def latencies(self) -> dict[str, dict[str, float | None]]:
        """The quantiles of every stage, by name; see `LatencyHistogram.summary`."""
        stages = self.stages()
        return {name: stages[name].summary() for name in sorted(stages)}

    def histograms(self) -> dict[tuple[str, SinkKey | None], LatencyHistogram]:
        """
        The histograms, by stage and sink.

        A stage that sinks have stands once for each of them, those that are gone included, and any
        other stage once, with None.
        """
        with self._lock:
            found: dict[tuple[str, SinkKey | None], LatencyHistogram] = {
                (stage, sink): one for (sink, stage), one in self._of_sinks.items()
            }
            shared = {stage for stage, _ in found}
            found.update(
                ((stage, None), one) for stage, one in self._latency.items() if stage not in shared
            )
        return found

    def matte_age_up_to(self, bounds: Sequence[int]) -> Cumulative:
        """The mattes whose age is up to each of *bounds*, frames, rising."""
        with self._lock:
            ages = self._matte_age.copy()
        return Cumulative(
            tuple(sum(n for age, n in ages.items() if age <= bound) for bound in bounds),
            ages.total(),
            sum(age * n for age, n in ages.items()),
        )

    def matte_ages(self) -> MatteAges:
        """The ages of all mattes so far."""
        with self._lock:
            ages = self._matte_age.copy()
        mean = sum(a * n for a, n in ages.items()) / max(ages.total(), 1)
        return MatteAges(round(mean, 3), max(ages, default=0))


def peak_rss_mb() -> float | None:
    """The process's peak resident memory in MiB, or None if the platform does not tell."""
    try:
        import resource
        import sys
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)
