"""Runs one pipeline for `streamer bench` and measures its cost."""

from __future__ import annotations

import os
import time
from typing import Any

from streamer.cli import failures
from streamer.cli.interruption import Interruption
from streamer.cli.progress import Downloads, FrameLine
from streamer.config import Config
from streamer.core.cpu import ThreadTimes, thread_named
from streamer.errors import StreamerError

_SAMPLE_S = 0.1

Figures = dict[str, Any]
"""
The cost of a run, as plain JSON values: `frames_per_s`; `cpu_ms` per frame, over all cores;
`cpu_by_thread_ms`, also per frame; `cores` in use on average; `latency_ms`; `rss_peak_mb`; and
`report`, the run report.
"""


class _Watch:
    """Polled every few milliseconds: samples the threads' CPU time, and says when to stop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._times: ThreadTimes | None = None
        self._began = self._sampled = 0.0

    def over(self, frames: int) -> bool:
        """Whether the time is up; it begins when *frames* is first above 0."""
        now = time.monotonic()
        if self._times is None:
            if frames:
                self._times, self._began, self._sampled = ThreadTimes(), now, now
            return False
        if now - self._sampled >= _SAMPLE_S:
            self._sampled = now
            self._times.sample()
        return now - self._began >= self._seconds

    def by_thread_s(self) -> dict[str, float]:
        """CPU seconds by thread, largest first; empty if not known."""
        return self._times.seconds() if self._times is not None else {}


def measure(config: Config, interruption: Interruption, seconds: float) -> Figures:
    """
    Run *config* with its sinks for *seconds* from its first frame, or until it ends earlier.

    Raises:
        StreamerError: it cannot run, it failed, or no frame came through.
    """
    from streamer import Pipeline

    watch = _Watch(seconds)
    with Downloads() as downloads:
        with thread_named("model"):
            pipeline = Pipeline.from_config(config, progress=downloads)
        line = FrameLine(pipeline.report, downloads)

        def should_stop() -> bool:
            line.tick()
            over = watch.over(pipeline.statistics().frames["captured"])
            return over or interruption.requested

        children_s = _children_s()
        failure: StreamerError | None = None
        try:
            with interruption.stopping(pipeline.request_stop):
                pipeline.run(should_stop)
        except StreamerError as error:
            failure = error
        finally:
            line.close()
    if pipeline.abandoned:
        failures.say(f"no measurement: still busy: {', '.join(pipeline.abandoned)}")
        failures.leave((failures.explain(failure) if failure else None) or 1)
    if failure is not None:
        raise failure
    report = pipeline.report()
    if not report["frames"]["emitted"]:
        raise StreamerError(
            f"{report['source']['name']}: no frame came through: nothing to measure"
        )
    by_thread_s = {_short(name, config.name): s for name, s in watch.by_thread_s().items()}
    return figures_of(report, by_thread_s, _children_s() - children_s)


def figures_of(report: dict[str, Any], by_thread_s: dict[str, float], children_s: float) -> Figures:
    """Figures from a run's *report* and the CPU seconds of its threads and child processes."""
    frames = report["frames"]["emitted"]
    by_thread_s = dict(by_thread_s)
    if by_thread_s:
        by_thread_s["not attributed"] = max(report["cpu_s"] - sum(by_thread_s.values()), 0.0)
    if children_s:
        by_thread_s["child processes"] = children_s
    cpu_s = report["cpu_s"] + children_s
    return {
        "frames_per_s": report["fps"],
        "cpu_ms": round(cpu_s / frames * 1000, 3),
        "cpu_by_thread_ms": {
            name: round(spent_s / frames * 1000, 3) for name, spent_s in by_thread_s.items()
        },
        "cores": round(cpu_s / report["wall_s"], 3),
        "latency_ms": report["latency_ms"],
        "rss_peak_mb": report["rss_peak_mb"],
        "report": report,
    }


def _short(name: str, stream: str) -> str:
    """The *name* of a thread without the prefixes of the package and *stream*."""
    if name == "MainThread":
        return "main"
    return name.removeprefix(f"streamer-{stream}-").removeprefix("streamer-")


def _children_s() -> float:
    """CPU seconds of child processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system
