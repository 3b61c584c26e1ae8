"""The metrics: their names, types, labels and what they mean. docs/metrics.md says more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from streamer import __version__
from streamer.core.metrics import Cumulative

LATENCY_BOUNDS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0),
)
"""Upper bounds of the histograms of seconds: close where a frame's time is, up to a stall."""
AGE_BOUNDS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512)
"""Upper bounds of the histogram of ages, frames."""


class Families:
    """One collection: each metric with its samples, none to begin with; iterates over them."""

    def __init__(self) -> None:
        self.captured = _counter(
            "streamer_frames_captured_total", "Frames that the source gave or lost in decoding."
        )
        self.inferred = _counter("streamer_frames_inferred_total", "Mattes made by the model.")
        self.propagated = _counter(
            "streamer_frames_propagated_total", "Mattes derived from those of other frames."
        )
        self.emitted = _counter(
            "streamer_frames_emitted_total", "Frames that at least one sink took."
        )
        self.dropped = _counter(
            "streamer_frames_dropped_total", "Frames that no sink took.", "reason"
        )
        self.reconnects = _counter(
            "streamer_reconnects_total", "Times that the source gave frames again after a loss."
        )
        self.restarts = _counter(
            "streamer_restarts_total", "Times that the stream was started again after a failure."
        )
        self.stage = _histogram(
            "streamer_stage_seconds",
            "Time of each stage that a frame passes.",
            "seconds",
            *("stage", "sink"),
        )
        self.end_to_end = _histogram(
            "streamer_end_to_end_seconds",
            "Time from a frame's capture until a sink has taken it.",
            "seconds",
            "sink",
        )
        self.queue = _histogram(
            "streamer_model_queue_seconds",
            "Time that a run of the model waits for its turn on the device.",
            "seconds",
        )
        self.matte_age = _histogram(
            "streamer_matte_age_frames", "Frames since the inference that a matte rests on."
        )
        self.source_up = _gauge("streamer_source_up", "1 while the source gives frames, else 0.")
        self.frame_age = _gauge(
            "streamer_last_frame_age_seconds",
            "Time since the source's newest frame was captured.",
            unit="seconds",
        )
        self.viewers = _gauge("streamer_relay_viewers", "Viewers of a relay.", "sink")
        self.busy = _gauge(
            "streamer_model_busy_ratio",
            "Share of the time since the scrape before that the model's runs took.",
        )
        self.build = InfoMetricFamily(
            "streamer_build", "The version that runs.", {"version": __version__}
        )

    def __iter__(self) -> Iterator[Metric]:
        yield from vars(self).values()


def add_histogram(
    family: HistogramMetricFamily,
    labels: Sequence[str],
    bounds: Sequence[float],
    values: Cumulative,
) -> None:
    """Add *values*, counted up to each of *bounds*, to *family*."""
    counts = zip(bounds, values.up_to, strict=True)
    buckets = [(str(float(bound)), count) for bound, count in counts]
    family.add_metric(labels, [*buckets, ("+Inf", values.total)], values.sum)


def _counter(name: str, meaning: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, meaning, labels=("stream", *labels))


def _gauge(name: str, meaning: str, *labels: str, unit: str = "") -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=("stream", *labels), unit=unit)


def _histogram(name: str, meaning: str, unit: str = "", *labels: str) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, meaning, labels=("stream", *labels), unit=unit)
