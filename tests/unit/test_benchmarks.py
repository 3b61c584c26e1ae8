"""What the measurements in `benchmarks/` rest on."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.live import print_latencies
from benchmarks.reference import Limit, bare_decoding, in_turns, print_limits, times
from tests.unit.sources.clips import encode


def test_works_take_turns_and_each_is_warmed_up_once() -> None:
    called: list[str] = []
    now = iter(np.arange(100) / 1000)
    taken = in_turns(
        {name: lambda name=name: called.append(name) for name in "ab"},
        rounds=2,
        calls=2,
        clock=lambda: next(now),
    )
    assert "".join(called) == "ab" + "aabb" * 2
    assert taken["a"] == taken["b"] == pytest.approx([0.5, 0.5])


def test_a_slow_round_slows_both_sides_and_no_ratio() -> None:
    assert times([2.0, 20.0, 2.2], [1.0, 10.0, 1.0]) == 2.0


def test_a_limit_that_is_not_kept_fails_the_run(capsys) -> None:
    kept = [Limit("rate", 2, ">=", 2), Limit("cost", 1.5, "<=", 2)]
    assert print_limits(kept) == 0
    assert print_limits([*kept, Limit("rate", 1.9, ">=", 2)]) == 1
    assert print_limits([*kept, Limit("cost", float("nan"), "<=", 2)]) == 1
    assert capsys.readouterr().out.count("BROKEN") == 2


def test_a_stage_that_no_frame_went_through_has_no_latency(capsys) -> None:
    none = {"p50": None, "p95": None, "p99": None}
    print_latencies({"latency_ms": {"matte": {"p50": 1, "p95": 2, "p99": 3}, "refine": none}})
    assert capsys.readouterr().out.split() == ["matte", "1.0", "ms", "2.0", "ms"]


def test_a_film_is_decoded_to_its_end(tmp_path) -> None:
    done = bare_decoding(encode(tmp_path / "clip.mp4", frames=7, size=(64, 48)))
    assert done.count == 7
    assert done.wall_ms > 0
