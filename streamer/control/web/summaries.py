"""How streams are, as the page and the API tell it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from streamer.control.web.problems import plain
from streamer.core.clock import Clock, SystemClock
from streamer.core.metrics import LatencyHistogram, Mark, Metrics
from streamer.host import Host, StreamStatus
from streamer.stream import Stream

_SPAN_NS = 900_000_000
"""The least time that recent figures are of: browsers get them once a second."""
_QUANTILES = (("p50", 0.50), ("p95", 0.95))

Latencies = dict[str, dict[str, float | None]]
"""In milliseconds, by stage and quantile."""


class ModelSummary(BaseModel):
    """The model that runs."""

    name: str
    precision: str
    """Of its weights."""
    providers: list[str]
    """What runs it, best first."""


class Summary(BaseModel):
    """How a stream is. Rates, latencies and ages are recent: of a second or more."""

    name: str
    state: str
    """`starting`, `running`, `waiting` for another try, `stopped`, `ended` or `failed`."""
    error: str | None
    """The latest failure."""
    restarts: int
    """How often it was started again after a failure."""
    source: str = ""
    """Where its frames come from, without credentials."""
    source_state: str = ""
    """Such as `live`, `connecting` or `reconnecting`."""
    size: tuple[int, int] | None = None
    """Width and height of its frames in pixels; null until they are known."""
    fps: float = 0.0
    """Frames a second that left the stream."""
    latency_ms: dict[str, dict[str, float | None]] = {}
    """`p50` and `p95` of each stage, and `end_to_end` from capture to output."""
    matte_age: float | None = None
    """Frames since the model's last answer, on average; null where no frame had one."""
    dropped: dict[str, int] = {}
    """Frames that reached no output, by reason, over all runs."""
    frames: dict[str, int] = {}
    """Counts of frames over all runs."""
    viewers: int = 0
    """Of its relays and of its page."""
    model: ModelSummary | None = None
    mode: str | None = None
    """How frames get their mattes: `tracked` or `every_frame`."""
    paused: bool = False
    released: bool = False
    """Whether its camera is closed on request."""
    recording: bool | None = None
    """Whether a recording is on; null where there is none to switch."""
    triggers: int = 0
    """How many outputs can be told to take a picture."""


@dataclass(frozen=True, slots=True)
class _Recent:
    """Figures of the latest span."""

    fps: float
    latency_ms: Latencies
    matte_age: float | None


@dataclass(frozen=True, slots=True)
class _Counts:
    """What had been counted of a stream at the end of its latest span, and what came of that."""

    metrics: Metrics
    """Those that were asked: a stream that is taken out and comes back has others."""
    at_ns: int
    emitted: int
    marks: Mapping[str, Mark]
    mattes: int
    ages: float
    recent: _Recent


class Summaries:
    """
    Summarizes the streams of *host*.

    Args:
        host: the streams.
        clock: the clock; tests pass their own.

    Thread-safe. Recent figures are of the time between two calls, and of 0.9 s at least.
    """

    def __init__(self, host: Host, clock: Clock | None = None) -> None:
        self._host = host
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._counts: dict[str, _Counts] = {}

    def all(self) -> list[Summary]:
        """Of all streams, in their order. Takes about a millisecond for each."""
        streams = self._host.status().streams
        with self._lock:
            present = {stream.name for stream in streams}
            self._counts = {name: it for name, it in self._counts.items() if name in present}
        return [self._of(stream) for stream in streams]

    def of(self, name: str) -> Summary:
        """Of one stream. Raises KeyError."""
        found = {stream.name: stream for stream in self._host.status().streams}
        return self._of(found[name])

    def _recent_of(self, name: str, metrics: Metrics, fps: float) -> _Recent:
        """The recent figures of a stream whose rate over its run is *fps*; may end a span."""
        with self._lock:
            now_ns = self._clock.now_ns()
            before = self._counts.get(name)
            if before is not None and before.metrics is not metrics:
                before = None
            if before is not None and now_ns - before.at_ns < _SPAN_NS:
                return before.recent
            counts = _counted(metrics, now_ns, before, fps)
            self._counts[name] = counts
            return counts.recent

    def _of(self, stream: StreamStatus) -> Summary:
        summary = Summary(
            name=stream.name,
            state=stream.state,
            error=plain(stream.why) if stream.why else None,
            restarts=stream.restarts,
        )
        status = stream.status
        try:
            run, metrics = self._host.stream(stream.name), self._host.metrics(stream.name)
        except KeyError:  # it was taken out this moment
            return summary
        if status is None or run is None:
            return summary
        recent = self._recent_of(stream.name, metrics, status.fps)
        info, model = status.info, status.model
        size = run.size or (info and (info.height, info.width))
        return summary.model_copy(
            update={
                "source": plain(status.source),
                "source_state": status.counts.source.state,
                "size": size and (size[1], size[0]),
                "fps": recent.fps if stream.state == "running" else 0.0,
                "latency_ms": recent.latency_ms,
                "matte_age": recent.matte_age,
                "dropped": status.counts.drops,
                "frames": status.counts.frames,
                "viewers": sum(sink.statistics.get("viewers") or 0 for sink in status.sinks),
                "model": model
                and ModelSummary(
                    name=model.name, precision=model.precision, providers=list(model.providers)
                ),
                "mode": status.matting.get("mode"),
                **_held(run),
            }
        )


def _counted(metrics: Metrics, now_ns: int, before: _Counts | None, fps: float) -> _Counts:
    """The counts of now with the figures since *before*; without that, those of the whole run."""
    stages = metrics.stages()
    marks = {name: stage.mark() for name, stage in stages.items()}
    emitted = metrics.frames()["emitted"]
    mattes = metrics.matte_age_up_to(())
    came, ages = mattes.total, mattes.sum
    if before is not None:
        fps = (emitted - before.emitted) * 1e9 / (now_ns - before.at_ns)
        came, ages = came - before.mattes, ages - before.ages
    recent = _Recent(
        round(fps, 2),
        _latencies(stages, {} if before is None else before.marks),
        round(ages / came, 2) if came else None,
    )
    return _Counts(metrics, now_ns, emitted, marks, mattes.total, mattes.sum, recent)


def _held(run: Stream) -> dict[str, object]:
    """What users have done with a run."""
    return {
        "paused": run.paused,
        "released": run.released,
        "recording": run.recording if run.recordings else None,
        "triggers": run.triggers,
    }


def _latencies(stages: Mapping[str, LatencyHistogram], since: Mapping[str, Mark]) -> Latencies:
    found = {
        name: {label: stage.quantile_ms(share, since.get(name, ())) for label, share in _QUANTILES}
        for name, stage in stages.items()
    }
    return {
        name: {label: None if ms is None else round(ms, 2) for label, ms in quantiles.items()}
        for name, quantiles in found.items()
    }
