"""
Counts and states of a host as Prometheus wants them, read when it asks: nothing is counted twice.

Labels are names of streams, stages, sinks and reasons only, never a URL or a path.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from streamer.control.metrics.families import (
    AGE_BOUNDS,
    LATENCY_BOUNDS_S,
    Families,
    add_histogram,
)
from streamer.core.clock import Clock, SystemClock
from streamer.core.metrics import Metrics, SinkKey
from streamer.host import Host, StreamStatus

_LEAST_NS = 1_000_000_000
"""Between two readings of how busy a model was: the runs of less time say little."""
_TYPE = re.compile(r"[\w.-]{1,40}", re.ASCII)
"""A sink's type. One from elsewhere that does not fit, such as a path, is left out."""


def make_registry(host: Host, clock: Clock | None = None) -> CollectorRegistry:
    """A registry of its own for *host* and the process; *clock* is for tests to pass in."""
    registry = CollectorRegistry()
    registry.register(HostCollector(host, clock))
    ProcessCollector(registry=registry)
    return registry


class HostCollector(Collector):
    """
    Collects from *host* at each scrape; its counters are those of the report.

    Thread-safe. A collection takes a few milliseconds for each stream.
    """

    def __init__(self, host: Host, clock: Clock | None = None) -> None:
        self._host = host
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._collected_ns = self._clock.now_ns()
        self._busy: dict[str, _Busy] = {}

    def describe(self) -> Iterable[Metric]:
        """The metrics without samples, so that the registry knows their names."""
        return Families()

    def collect(self) -> Iterable[Metric]:
        """The metrics as they are now."""
        families = Families()
        with self._lock:
            streams = self._host.status().streams
            for stream in streams:
                self._add(families, stream)
            names = {stream.name for stream in streams}
            self._busy = {name: busy for name, busy in self._busy.items() if name in names}
            self._collected_ns = self._clock.now_ns()
        return families

    def _add(self, families: Families, stream: StreamStatus) -> None:
        try:
            metrics = self._host.metrics(stream.name)
        except KeyError:  # it was taken away just now
            return
        _add_counts(families, stream, metrics)
        _add_state(families, stream)
        _add_times(families, stream, metrics)
        use = stream.status.use if stream.status is not None else None
        busy = self._busy.setdefault(stream.name, _Busy(self._collected_ns))
        busy_s = use.busy_s if use is not None else 0.0
        families.busy.add_metric([stream.name], busy.share(busy_s, self._clock.now_ns()))


class _Busy:
    """How busy a stream's model was from one reading to the next; it was not before *began_ns*."""

    def __init__(self, began_ns: int) -> None:
        self._read_ns = began_ns
        self._busy_s = 0.0
        self._share = 0.0

    def share(self, busy_s: float, now_ns: int) -> float:
        """The share since the reading before; the same again where that is less than 1 s ago."""
        passed_ns = now_ns - self._read_ns
        if passed_ns >= _LEAST_NS:
            # It falls where a stream was taken away and has come back.
            self._share = max(0.0, busy_s - self._busy_s) / (passed_ns / 1e9)
            self._read_ns, self._busy_s = now_ns, busy_s
        return self._share


def _add_counts(families: Families, stream: StreamStatus, metrics: Metrics) -> None:
    name, frames = stream.name, metrics.frames()
    families.captured.add_metric([name], frames["captured"])
    families.inferred.add_metric([name], frames["inferred"])
    families.propagated.add_metric([name], frames["propagated"])
    families.emitted.add_metric([name], frames["emitted"])
    for reason, count in metrics.drops().items():
        families.dropped.add_metric([name, reason], count)
    source = stream.status.counts.source if stream.status is not None else None
    families.reconnects.add_metric([name], source.reconnects if source is not None else 0)
    families.restarts.add_metric([name], stream.restarts)


def _add_state(families: Families, stream: StreamStatus) -> None:
    name, status, running = stream.name, stream.status, stream.state == "running"
    up = running and status is not None and status.counts.source.state == "live"
    families.source_up.add_metric([name], float(up))
    if status is None:
        return
    age_s = status.counts.source.frame_age_s
    if age_s is not None and not stream.at_rest:
        families.frame_age.add_metric([name], age_s)
    for sink in status.sinks:
        viewers = sink.statistics.get("viewers")
        if viewers is not None:
            label = _sink_label((sink.number, sink.type))
            families.viewers.add_metric([name, label], viewers if running else 0)


def _add_times(families: Families, stream: StreamStatus, metrics: Metrics) -> None:
    # Those of sinks that were taken out stay as they are: counters do not vanish.
    name = stream.name
    for (stage, key), histogram in sorted(metrics.histograms().items(), key=str):
        sink = "" if key is None else _sink_label(key)
        times = histogram.cumulative(LATENCY_BOUNDS_S)
        match stage:
            case "queue":
                add_histogram(families.queue, [name], LATENCY_BOUNDS_S, times)
            case "end_to_end":
                add_histogram(families.end_to_end, [name, sink], LATENCY_BOUNDS_S, times)
            case _:
                add_histogram(families.stage, [name, stage, sink], LATENCY_BOUNDS_S, times)
    ages = metrics.matte_age_up_to(AGE_BOUNDS)
    add_histogram(families.matte_age, [name], AGE_BOUNDS, ages)


def _sink_label(sink: SinkKey) -> str:
    """A sink by its place and type, such as `0 record`."""
    number, type_ = sink
    return f"{number} {type_}" if _TYPE.fullmatch(type_) else str(number)
