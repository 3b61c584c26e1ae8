"""Latency quantiles and the counters of a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.metrics import Cumulative, LatencyHistogram, MatteAges, Metrics


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
        metrics.latency_of_sink((sink, "record"), "write").record(ms * 1_000_000)
    assert metrics.sink_latencies((0, "record"))["write"]["p50"] == pytest.approx(10, rel=0.02)
    assert metrics.sink_latencies((1, "record"))["write"]["p50"] == pytest.approx(1000, rel=0.02)
    assert metrics.latency("write").quantile_ms(1) == pytest.approx(1000, rel=0.02)
    assert metrics.latency("write").quantile_ms(0) == pytest.approx(10, rel=0.02)
    assert metrics.sink_latencies((2, "record")) == {}
    assert metrics.sink_latencies((1, "images")) == {}, "another type counts apart"


@given(st.lists(st.integers(0, 10**11), max_size=200))
def test_durations_up_to_a_bound_are_counted_to_one_percent_and_summed_exactly(durations) -> None:
    histogram = LatencyHistogram()
    for duration in durations:
        histogram.record(duration)
    bounds = (0.001, 0.01, 0.1, 1.0, 10.0)
    found = histogram.cumulative(bounds)
    for bound, count in zip(bounds, found.up_to, strict=True):
        below = sum(duration <= bound * 0.99e9 for duration in durations)
        assert below <= count <= sum(duration <= bound * 1.01e9 for duration in durations)
    assert found.up_to == tuple(sorted(found.up_to))
    assert found.total == len(durations)
    assert found.sum == sum(durations) / 1e9


def test_what_is_beyond_the_last_bound_is_in_the_total() -> None:
    histogram = LatencyHistogram()
    for duration in (-5, 500_000, 10**20):
        histogram.record(duration)
    found = histogram.cumulative((0.001, 10.0))
    assert (found.up_to, found.total) == ((2, 2), 3)
    assert found.sum == pytest.approx(1e11)


def test_histograms_of_sinks_stand_for_themselves() -> None:
    metrics = Metrics()
    metrics.latency("infer").record(1)
    sinks = ((0, "record"), (1, "record"), (1, "images"))
    for sink in sinks:
        metrics.latency_of_sink(sink, "write").record(1)
    histograms = metrics.histograms()
    assert set(histograms) == {("infer", None), *(("write", sink) for sink in sinks)}
    assert [one.cumulative(()).total for one in histograms.values()] == [1, 1, 1, 1]


def test_ages_of_mattes_are_counted_up_to_bounds() -> None:
    metrics = Metrics()
    for age in (0, 0, 1, 5, 2000):
        metrics.matte_age(age)
    assert metrics.matte_age_up_to((0, 1, 4, 8)) == Cumulative((2, 3, 3, 4), total=5, sum=1006)
