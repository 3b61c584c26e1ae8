"""`streamer bench`: what a configuration costs, and two of them in turns."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from streamer.cli.bench import median
from streamer.cli.measuring import figures_of


@pytest.fixture
def configuration(tmp_path, make_model):
    """Makes a configuration of a synthetic source and a small model."""
    model = make_model()

    def make(name: str, **source: object) -> Path:
        path = tmp_path / name
        path.write_text(
            json.dumps(
                {
                    "source": {"type": "synthetic", "width": 64, "height": 48, **source},
                    "model": {"name": str(model)},
                    "sinks": [{"type": "discard"}],
                }
            )
        )
        return path

    return make


def test_a_run_prints_and_writes_what_it_cost(streamer, configuration) -> None:
    result = streamer("bench", configuration("a.yaml", frames=40), "--json", "out/figures.json")
    assert result.exit_code == 0, result.output
    for said in ("40 of 40 captured", "fps over", "end_to_end", "MB at most", "ms a frame"):
        assert said in result.stdout
    written = json.loads(Path("out/figures.json").read_text())
    (of_config,) = written["configs"]
    (run,) = of_config["runs"]
    assert written["machine"]["cores"] >= 1
    assert written["ratios"] is None
    assert run["report"]["frames"]["emitted"] == 40
    assert run["cpu_ms"] * 40 / 1000 == pytest.approx(run["report"]["cpu_s"], abs=0.01)
    assert of_config["median"]["frames_per_s"] == run["frames_per_s"] > 0


def test_a_source_without_end_is_stopped_and_its_threads_are_told_apart(
    streamer, configuration
) -> None:
    path = configuration("a.yaml")
    result = streamer("bench", path, "--seconds", "0.8", "--json", "figures.json")
    assert result.exit_code == 0, result.output
    run = json.loads(Path("figures.json").read_text())["configs"][0]["runs"][0]
    assert 0.7 < run["report"]["wall_s"] < 3
    if sys.platform == "linux":
        by_thread = run["cpu_by_thread_ms"]
        assert {"capture", "matting", "sinks[0] discard", "main"} <= set(by_thread)
        assert sum(by_thread.values()) == pytest.approx(run["cpu_ms"], rel=0.1)


def test_two_configurations_run_in_turns_and_are_compared(streamer, configuration, capfd) -> None:
    slow = configuration("slow.yaml", fps=20, frames=12, realtime=True)
    fast = configuration("fast.yaml", frames=60)
    result = streamer(
        "bench",
        slow,
        "--compare",
        fast,
        "--rounds",
        "2",
        "--json",
        "figures.json",
        "--set",
        "source.height=64",
    )
    assert result.exit_code == 0, result.output
    assert "frames/s" in result.stdout
    written = json.loads(Path("figures.json").read_text())
    assert [len(each["runs"]) for each in written["configs"]] == [2, 2]
    assert written["ratios"]["frames/s"] > 2
    for each in written["configs"]:
        assert each["runs"][0]["report"]["source"]["height"] == 64
    assert capfd.readouterr().out == "", "the runs themselves print nothing"


def test_a_mistake_in_either_configuration_is_told_before_anything_runs(
    streamer, configuration, tmp_path
) -> None:
    result = streamer("bench", configuration("a.yaml"), "--compare", tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert "none.yaml" in result.stderr
    assert "round" not in result.stderr


def test_a_failed_run_ends_the_comparison_with_its_exit_code(
    streamer, configuration, capfd
) -> None:
    good = configuration("a.yaml", frames=5)
    result = streamer("bench", good, "--compare", good, "--set", "model.name=none.onnx")
    assert result.exit_code == 4
    assert "none.onnx" in capfd.readouterr().err
    assert "round 2" not in result.stderr


def test_a_run_without_a_frame_is_no_measurement(streamer, configuration, tmp_path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    path = configuration("a.yaml")
    result = streamer("bench", path, "--set", "source={type: images, path: broken.png}")
    assert result.exit_code == 3, result.output
    assert "broken.png" in result.stderr


REPORT = {
    "frames": {"emitted": 10},
    "fps": 5.0,
    "wall_s": 2.0,
    "cpu_s": 3.0,
    "latency_ms": {},
    "rss_peak_mb": 100.0,
}


def test_all_cpu_time_is_shared_out() -> None:
    figures = figures_of(REPORT, {"matting": 2.0, "main": 0.5}, children_s=1.0)
    assert figures["cpu_ms"] == 400.0
    assert figures["cores"] == 2.0
    assert figures["cpu_by_thread_ms"] == {
        "matting": 200.0,
        "main": 50.0,
        "not attributed": 50.0,
        "child processes": 100.0,
    }


def test_where_threads_are_not_seen_there_are_no_shares() -> None:
    assert figures_of(REPORT, {}, children_s=0.0)["cpu_by_thread_ms"] == {}


def test_a_median_is_taken_field_by_field() -> None:
    runs = [
        {"rate": 1.0, "latency": {"p50": 5, "p99": None}, "name": "a", "more": 7},
        {"rate": 3.0, "latency": {"p50": 1, "p99": 4.0}, "name": "b"},
        {"rate": 2.0, "latency": {"p50": 3, "p99": None}, "name": "c"},
    ]
    assert median(runs) == {
        "rate": 2.0,
        "latency": {"p50": 3, "p99": 4.0},
        "name": "a",
        "more": 7,
    }
