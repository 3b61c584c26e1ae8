"""How the streams of a host are: snapshots, and the report made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from streamer.core.metrics import REPORT_VERSION
from streamer.engine import Status
from streamer.protocols import ModelUse

if TYPE_CHECKING:
    from streamer.host.kept import KeptState


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """How one stream of a host is."""

    name: str
    state: KeptState
    restarts: int
    """How often it was started again after a failure."""
    why: str | None
    """The latest failure, until the stream has run well for a while."""
    status: Status | None
    """Of its present or latest run, with the counts of all of them; None before the first."""

    @property
    def at_rest(self) -> bool:
        """Whether it is down and nothing is wrong with that: stopped, or at its source's end."""
        return self.state in ("stopped", "ended")

    def report(self) -> dict[str, Any]:
        """As plain JSON values; see docs/report.md."""
        run = self.status.report() if self.status is not None else {}
        return {"state": self.state, "restarts": self.restarts, **run, "error": self.why}


_NO_USE = ModelUse(0, 0.0)


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """What the runs before the present one add to a stream's status."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    reconnects: int = 0
    away_s: float = 0.0
    use: ModelUse = _NO_USE
    frame_ns: int | None = None
    """When their newest frame was captured; nanoseconds of the clock that callers read."""

    def added_to(self, status: Status, now_ns: int) -> Status:
        """*status* of the run that followed, as of *now_ns*, with these added."""
        source, use = status.counts.source, status.use
        age_s = source.frame_age_s
        if age_s is None and self.frame_ns is not None:
            age_s = max(0, now_ns - self.frame_ns) / 1e9
        source = replace(
            source,
            reconnects=self.reconnects + source.reconnects,
            away_s=round(self.away_s + source.away_s, 3),
            frame_age_s=age_s,
        )
        if use is not None:
            use = ModelUse(self.use.runs + use.runs, self.use.busy_s + use.busy_s)
        return replace(
            status,
            counts=replace(status.counts, source=source),
            wall_s=self.wall_s + status.wall_s,
            cpu_s=self.cpu_s + status.cpu_s,
            use=use,
        )

    def and_run(self, status: Status, now_ns: int) -> EarlierRuns:
        """These and the run that ended with *status*, as of *now_ns*."""
        whole = self.added_to(status, now_ns)
        source = whole.counts.source
        age_s = source.frame_age_s
        return EarlierRuns(
            whole.wall_s,
            whole.cpu_s,
            source.reconnects,
            source.away_s,
            whole.use or self.use,
            None if age_s is None else now_ns - round(age_s * 1e9),
        )


@dataclass(frozen=True, slots=True)
class HostStatus:
    """How all streams are."""

    streams: tuple[StreamStatus, ...]
    wall_s: float
    """Seconds since the host was started."""
    cpu_s: float
    """CPU seconds of the process in that time."""
    rss_peak_mb: float | None
    """MiB of the process; None if unknown."""

    def report(self) -> dict[str, Any]:
        """The report of all streams as plain JSON values; see docs/report.md."""
        return {
            "version": REPORT_VERSION,
            "streams": {stream.name: stream.report() for stream in self.streams},
            "wall_s": round(self.wall_s, 3),
            "cpu_s": round(self.cpu_s, 3),
            "rss_peak_mb": self.rss_peak_mb,
        }
