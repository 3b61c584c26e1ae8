"""How busy a worker's node is by its streams, and what each of them costs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from streamer.core.clock import Clock
from streamer.core.cores import core_count
from streamer.host import Host

_NS = 1_000_000_000
_SPAN_S = 5.0
"""Of one measurement."""
_LATE = ("overwritten", "stale", "sink_full")
"""Why frames are dropped where there is too little time for them."""


@dataclass(frozen=True, slots=True)
class StreamLoad:
    """What one stream took of the latest span."""

    busy: float
    late: float


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the node was in the latest span."""

    busy: float = 0.0
    """Share of the time that the model or the cores were, whichever is more."""
    streams: Mapping[str, StreamLoad] = field(default_factory=dict)
    """Those whose source was live at its beginning and at its end."""
    away: frozenset[str] = frozenset()
    """Those that run, and were paused or without their camera at its end."""


@dataclass(frozen=True, slots=True)
class _Counts:
    busy_s: float
    captured: int
    late: int
    live: bool


class LoadMeter:
    """
    Measures *host*, in spans of 5 s.

    Args:
        host: the streams.
        clock: monotonic time.
        cpu_s: returns the CPU seconds of the process.
        cores: how many it may use.

    For one thread.
    """

    def __init__(
        self,
        host: Host,
        clock: Clock,
        cpu_s: Callable[[], float] = time.process_time,
        cores: int | None = None,
    ) -> None:
        self._host = host
        self._clock = clock
        self._cpu_s = cpu_s
        self._cores = cores or core_count()
        self._since_ns = clock.now_ns()
        self._cpu_before_s = cpu_s()
        self._before: dict[str, _Counts] = {}
        self._latest = Load()

    def read(self) -> Load:
        """The load of the latest span; ends the present one if that is long enough."""
        now_ns = self._clock.now_ns()
        passed_s = (now_ns - self._since_ns) / _NS
        if passed_s < _SPAN_S:
            return self._latest
        counts = self._count()
        cpu_s = self._cpu_s()
        cpu = max(0.0, cpu_s - self._cpu_before_s) / (passed_s * self._cores)
        spans = {
            name: (self._before[name], now) for name, now in counts.items() if name in self._before
        }
        models = {
            name: max(0.0, now.busy_s - before.busy_s) / passed_s
            for name, (before, now) in spans.items()
        }
        model = sum(models.values())
        streams = {}
        for name, (before, now) in spans.items():
            if not (before.live and now.live):
                continue
            share = models[name] / model if model > 0 else 1 / len(spans)
            captured = max(1, now.captured - before.captured)
            late = min(1.0, max(0, now.late - before.late) / captured)
            streams[name] = StreamLoad(max(models[name], cpu * share), late)
        self._since_ns, self._cpu_before_s, self._before = now_ns, cpu_s, counts
        away = frozenset(name for name, now in counts.items() if not now.live)
        self._latest = Load(min(1.0, max(model, cpu)), streams, away)
        return self._latest

    def _count(self) -> dict[str, _Counts]:
        found = {}
        for stream in self._host.status().streams:
            if stream.state != "running" or stream.status is None:
                continue
            use, counts = stream.status.use, stream.status.counts
            late = sum(counts.drops.get(reason, 0) for reason in _LATE)
            busy_s = use.busy_s if use is not None else 0.0
            live = counts.source.state == "live" and not counts.paused
            found[stream.name] = _Counts(busy_s, counts.frames["captured"], late, live)
        return found
