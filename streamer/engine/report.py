"""The state of a stream: a snapshot of its counts, its status, and the report made of that."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Self

from streamer.core.metrics import REPORT_VERSION, MatteAges
from streamer.engine.presence import SourceStatus
from streamer.engine.ring import RingStatistics
from streamer.frame import StreamInfo
from streamer.protocols import ModelInfo, ModelUse


@dataclass(frozen=True, slots=True)
class Statistics:
    """A snapshot of a running pipeline."""

    frames: dict[str, int]
    """`captured`, `inferred`, `propagated`, `empty`, `emitted`, `standby`."""
    drops: dict[str, int]
    """By reason; see `DropReason`."""
    source: SourceStatus
    """What the source is doing."""
    ring: RingStatistics | None
    """None until the source is open."""
    running: bool
    """Whether any stage still works."""
    paused: bool
    """See `Pipeline.pause`."""
    speed: float
    """See `Pipeline.set_speed`."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment, in wall-clock time and in CPU time of the process."""

    wall_s: float
    cpu_s: float

    @classmethod
    def now(cls) -> Self:
        """The present moment."""
        return cls(time.monotonic(), time.process_time())


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """The status of one sink."""

    number: int
    """Its place, from 0; it keeps that when other sinks change."""
    type: str
    """Such as `record`: `Sink.name`."""
    stage: str
    """Such as `sinks[0] record`."""
    dropped: int
    """Deliveries dropped because its queue was full."""
    waiting: int
    """Deliveries in its queue."""
    latency_ms: dict[str, dict[str, float | None]]
    """`compose`, `write` and `end_to_end` of this sink alone: `{p50, p95, p99}`."""
    statistics: dict[str, Any]
    """See `Sink.statistics`; empty while they cannot be had."""


@dataclass(frozen=True, slots=True)
class Status:
    """The status of a stream, during the run and after it; the report is made of it."""

    stream: str
    """The stream's name."""
    source: str
    """The source's name, free of credentials."""
    info: StreamInfo | None
    """What the source delivers; None before it is open."""
    counts: Statistics
    latency_ms: dict[str, dict[str, float | None]]
    """`{p50, p95, p99}` of each stage, over all sinks."""
    matte_age: MatteAges
    wall_s: float
    """Seconds since mattes could be made."""
    cpu_s: float
    """CPU seconds of the process in that time."""
    model: ModelInfo | None
    matting: dict[str, Any]
    """See `Matting.statistics`."""
    rss_peak_mb: float | None
    """MiB of the process; None if unknown."""
    sinks: tuple[SinkStatus, ...]
    error: str | None
    """The first failure, if there was one."""
    fallback: str | None = None
    """Why the model is a fall-back, if it is one."""
    use: ModelUse | None = None
    """What the model's runs took; None if unknown, as with a matting of one's own."""

    @property
    def fps(self) -> float:
        """Frames emitted a second."""
        return self.counts.frames["emitted"] / self.wall_s if self.wall_s > 0 else 0.0

    def report(self) -> dict[str, Any]:
        """The run report as plain JSON values, version 1; see docs/report.md."""
        info, counts, model = self.info, self.counts, None
        if self.model is not None:
            use = asdict(self.use) if self.use is not None else {}
            model = {**asdict(self.model), "fallback": self.fallback, **use}
        return {
            "version": REPORT_VERSION,
            "source": {
                "name": self.source,
                "width": info.width if info else None,
                "height": info.height if info else None,
                "live": info.live if info else None,
                "state": counts.source.state,
                "away_s": counts.source.away_s,
            },
            "frames": counts.frames,
            "drops": counts.drops,
            "latency_ms": self.latency_ms,
            "matte_age": asdict(self.matte_age),
            "fps": round(self.fps, 3),
            "wall_s": round(self.wall_s, 3),
            "cpu_s": round(self.cpu_s, 3),
            "reconnects": counts.source.reconnects,
            "model": model,
            "matting": self.matting,
            "rss_peak_mb": self.rss_peak_mb,
            "sinks": [
                {**sink.statistics, "dropped": sink.dropped, "latency_ms": sink.latency_ms}
                for sink in self.sinks
            ],
            "error": self.error,
        }
