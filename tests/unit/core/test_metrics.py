"""Latency quantiles and the counters of a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.metrics import LatencyHistogram, MatteAges, Metrics


@given(st.lists(st.integers(2_000, 10**12), min_size=1, max_size=200), st.floats(0, 1))
def test_a_quantile_is_within_two_percent_of_the_exact_one(durations, share) -> None:
    histogram = LatencyHistogram()
    for duration in durations:
        histogram.record(duration)
    exact = sorted(durations)[int(share * (len(durations) - 1))] / 1e6
    assert histogram.quantile_ms(share) == pytest.approx(exact, rel=0.02)


def test_a_histogram_without_durations_has_no_quantiles() -> None:
    assert LatencyHistogram().summary() == {"p50": None, "p95": None, "p99": None}


def test_absurd_durations_are_counted_and_not_lost() -> None:
    histogram = LatencyHistogram()
    for duration in (-5, 0, 10**20):
        histogram.record(duration)
    assert histogram.quantile_ms(0) == pytest.approx(0.001, rel=0.02)
    assert histogram.quantile_ms(1) > 1e6


def test_every_counter_is_named_even_at_zero() -> None:
    metrics = Metrics()
    assert metrics.frames() == dict.fromkeys(
        ("captured", "inferred", "propagated", "empty", "emitted", "standby"), 0
    )
    assert metrics.drops() == dict.fromkeys(
        ("overwritten", "stale", "sink_full", "thinned", "decode_error"), 0
    )


def test_matte_age_is_summed_up() -> None:
    metrics = Metrics()
    for age in (0, 1, 5):
        metrics.matte_age(age)
    assert metrics.matte_ages() == MatteAges(mean=2.0, max=5)


def test_a_sinks_durations_are_its_own_and_count_for_all() -> None:
    metrics = Metrics()
    for sink, ms in ((0, 10), (1, 1000)):
        metrics.latency_of_sink(sink, "write").record(ms * 1_000_000)
    assert metrics.sink_latencies(0)["write"]["p50"] == pytest.approx(10, rel=0.02)
    assert metrics.sink_latencies(1)["write"]["p50"] == pytest.approx(1000, rel=0.02)
    assert metrics.latency("write").quantile_ms(1) == pytest.approx(1000, rel=0.02)
    assert metrics.latency("write").quantile_ms(0) == pytest.approx(10, rel=0.02)
    assert metrics.sink_latencies(2) == {}
