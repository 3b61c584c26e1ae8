"""`python -m benchmarks`: every measurement, one after the other."""

from benchmarks import relay_latency, stages

raise SystemExit(max(stages.main(), relay_latency.main()))
