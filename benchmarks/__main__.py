"""`python -m benchmarks`: every measurement, one after the other."""

from benchmarks import composition, relay_latency, stages

raise SystemExit(max(stages.main(), composition.main(), relay_latency.main()))
