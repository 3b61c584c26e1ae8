"""What a run is doing, and what it was: the snapshot of its counts, and the report of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

from streamer.errors import StageFailed
from streamer.frame import StreamInfo
from streamer.metrics import REPORT_VERSION, Metrics, peak_rss_mb
from streamer.pipeline.delivery import SinkWorker
from streamer.pipeline.presence import SourceStatus
from streamer.protocols import Matting
from streamer.ring import RingStatistics


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
    """When something was, by the wall and by the CPU time of the process until then."""

    wall_s: float
    cpu_s: float

    @classmethod
    def now(cls) -> Self:
        """The present one."""
        return cls(time.monotonic(), time.process_time())


def make_report(
    name: str,
    info: StreamInfo | None,
    source: SourceStatus,
    metrics: Metrics,
    matting: Matting,
    workers: Iterable[SinkWorker],
    *,
    began: Moment | None,
    ended: Moment | None,
    failure: StageFailed | None,
) -> dict[str, Any]:
    """
    The run report as plain JSON values; see docs/report.md.

    Args:
        name: the source's.
        info: what the source is; None before it is open.
        source: what it is doing.
        metrics: what was counted.
        matting: the one that runs.
        workers: one for each sink, in their order.
        began: when mattes could be made; None before.
        ended: None while the run goes on.
        failure: the first, if any.
    """
    summary = metrics.summary()
    ended = ended or Moment.now()
    began = began or ended
    wall_s = ended.wall_s - began.wall_s
    model = matting.info
    return {
        "version": REPORT_VERSION,
        "source": {
            "name": name,
            "width": info.width if info else None,
            "height": info.height if info else None,
            "live": info.live if info else None,
            "state": source.state,
            "away_s": source.away_s,
        },
        **summary,
        "fps": round(summary["frames"]["emitted"] / wall_s, 3) if wall_s > 0 else 0.0,
        "wall_s": round(wall_s, 3),
        "cpu_s": round(ended.cpu_s - began.cpu_s, 3),
        "reconnects": source.reconnects,
        "model": asdict(model) if model is not None else None,
        "matting": matting.statistics(),
        "rss_peak_mb": peak_rss_mb(),
        "sinks": [{**worker.sink.statistics(), "dropped": worker.dropped} for worker in workers],
        "error": str(failure) if failure else None,
    }
