"""`python -m benchmarks`: every measurement, one after the other."""

from benchmarks import composition, page_latency, relay_latency, soak, stages, streams

raise SystemExit(
    max(
        stages.main(),
        composition.main(),
        relay_latency.main(),
        page_latency.main(),
        streams.main(),
        soak.main(),
    )
)
