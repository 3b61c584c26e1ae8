"""Latency quantiles and the counters of a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.metrics import LatencyHistogram, Metrics


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


def test_a_summary_names_every_counter_even_at_zero() -> None:
    summary = Metrics().summary()
    assert summary["frames"] == dict.fromkeys(
        ("captured", "inferred", "propagated", "empty", "emitted", "standby"), 0
    )
    assert summary["drops"] == dict.fromkeys(
        ("overwritten", "stale", "sink_full", "thinned", "decode_error"), 0
    )


def test_matte_age_is_summed_up() -> None:
    metrics = Metrics()
    for age in (0, 1, 5):
        metrics.matte_age(age)
    assert metrics.summary()["matte_age"] == {"mean": 2.0, "max": 5}
