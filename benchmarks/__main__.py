"""`python -m benchmarks`: every measurement, one after the other."""

from benchmarks import stages

raise SystemExit(stages.main())
