import json

import cv2
import numpy as np
import pytest

from streamer.cli.evaluation import _chosen

CONFIG = """
source: {{type: synthetic}}
model: {{name: {model}}}
sinks: [{{type: discard}}]
"""


@pytest.fixture
def config(tmp_path, make_model):
    def write(name, **model):
        path = tmp_path / f"{name}.yaml"
        path.write_text(CONFIG.format(model=make_model(f"{name}.onnx", **model)))
        return path

    return write


SMALL = ("--frames", 3, "--size", "160x90")


def folder(path, *levels):
    path.mkdir()
    for index, level in enumerate(levels):
        cv2.imwrite(str(path / f"{index}.png"), np.full((20, 30), level, np.uint8))
    return path


def test_the_clips_are_listed_with_what_they_show(streamer):
    result = streamer("eval", "--list")
    assert result.exit_code == 0
    assert "two people who pass each other" in result.stdout
    assert "safety" in result.stdout


@pytest.mark.parametrize(
    ("kind", "count"), [("live", 10), ("live_moving", 12), ("all", 18), ("families", 19)]
)
def test_kinds_of_clips_are_chosen_by_their_name(kind, count):
    names = _chosen(kind)
    assert len(names) == count
    assert any(name.startswith("webcam-") for name in names) == kind.startswith("live")


def test_live_clips_have_an_average_of_their_own(streamer, config):
    clips = "webcam-dim,webcam-standing,still,talking"
    result = streamer("eval", config("mine"), "--clips", clips, *SMALL, "--out", "o")
    assert result.exit_code == 0, result.output
    assert "average, normal" in result.stdout
    assert "average, live" in result.stdout
    assert "average, live_moving" not in result.stdout


def test_a_configuration_is_measured_over_the_clips_that_were_chosen(streamer, tmp_path, config):
    result = streamer("eval", config("mine"), "--clips", "moving,nobody", *SMALL, "--out", "o")
    assert result.exit_code == 0, result.output
    assert "moving" in result.stdout
    assert "CPU s/frame" in result.stdout
    report = json.loads((tmp_path / "o" / "eval.json").read_text())
    (found,) = report["configurations"]
    assert found["name"] == "mine"
    assert found["matting"]["mode"] == "every_frame"
    assert found["model"]["input_size"] == [64, 64]
    assert list(found["clips"]) == ["moving", "nobody"]
    moving = found["clips"]["moving"]
    assert moving["frames"] == 3
    assert moving["mean"]["mad"] > 0
    assert moving["mean"]["cpu_s"] > 0
    assert len(moving["by_frame"]["dtssd"]) == 3
    for name in ("moving-error.png", "moving-worst-mine.png", "nobody-worst-mine.png"):
        assert cv2.imread(str(tmp_path / "o" / name)) is not None, name


def test_several_configurations_stand_beside_each_other(streamer, tmp_path, config):
    light, dark = config("light", bias=9.0), config("dark", bias=-9.0)
    result = streamer("eval", light, dark, "--clips", "still,moving", *SMALL, "--out", "o")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "o" / "eval.json").read_text())
    mads = {found["name"]: found["average"]["mad"] for found in report["configurations"]}
    assert mads["light"] > mads["dark"] > 0
    assert result.stdout.count("average, normal") == 2
    assert (tmp_path / "o" / "still-worst-dark.png").is_file()


def test_one_value_can_be_changed_for_all(streamer, tmp_path, config):
    path = config("mine", size="side")
    arguments = ("eval", path, "--clips", "still", *SMALL, "--out", "o")
    result = streamer(*arguments, "--set", "model.input_size=96")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "o" / "eval.json").read_text())
    assert report["configurations"][0]["model"]["input_size"] == [96, 96]


def test_files_are_compared_with_files(streamer, tmp_path):
    ours, truth = folder(tmp_path / "ours", 0, 51), folder(tmp_path / "truth", 0, 0)
    result = streamer("eval", "--prediction", ours, "--truth", truth, "--out", "o")
    assert result.exit_code == 0, result.output
    assert "100.0" in result.stdout or "100" in result.stdout
    report = json.loads((tmp_path / "o" / "eval.json").read_text())
    assert report["mean"]["mad"] == pytest.approx(100)
    assert (tmp_path / "o" / "prediction-error.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "name a configuration"),
        (("none.yaml",), 2, "none.yaml"),
        (("--prediction", "a"), 2, "go together"),
        (("--prediction", "none", "--truth", "here"), 3, "none: no such file"),
        (("c.yaml", "--clips", "nonsense"), 2, "see `streamer eval --list`"),
        (("c.yaml", "--size", "big"), 2, "write 1280x720"),
        (("c.yaml", "--size", "33x33"), 2, "must be even"),
    ],
)
def test_what_cannot_be_done_is_told(streamer, tmp_path, config, arguments, code, words):
    config("c")
    folder(tmp_path / "here", 0)
    result = streamer("eval", *arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


LIVE = ("--live", "--clips", "moving,talking", "--frames", 12, "--size", "160x90", "--out", "o")


def test_a_simulated_machine_shows_what_a_viewer_sees(streamer, tmp_path, config):
    result = streamer(
        "eval", config("mine"), "--set", "matting.mode=tracked", *LIVE, "--machine", "weak"
    )
    assert result.exit_code == 0, result.output
    assert "leak %" in result.stdout
    report = json.loads((tmp_path / "o" / "eval.json").read_text())
    assert report["live"] == "weak"
    (found,) = report["configurations"]
    assert found["machine"]["cores"] == 2
    assert found["matting"]["mode"] == "tracked"
    assert list(found["clips"]) == ["moving", "talking"]
    moving = found["clips"]["moving"]
    assert moving["shown"] + moving["late"] + moving["lost"] == moving["frames"] == 6
    for name in ("mad", "dtssd", "leak", "leak_worst", "loss", "empty", "latency_p95_ms"):
        assert moving[name] is not None, name
    assert moving["cpu_ms"]["matting"] > 0
    assert len(moving["by_frame"]["mad"]) == len(moving["by_frame"]["index"])
    for name in ("moving-error.png", "moving-worst-mine.png"):
        assert cv2.imread(str(tmp_path / "o" / name)) is not None, name


@pytest.mark.parametrize("machine", [(), ("--machine", "this")], ids=["real", "this"])
def test_this_machine_is_watched_or_reckoned_with(streamer, tmp_path, config, machine):
    result = streamer("eval", config("mine"), *LIVE, *machine)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "o" / "eval.json").read_text())
    assert report["live"] == (machine[-1] if machine else "real")
    moving = report["configurations"][0]["clips"]["moving"]
    assert moving["shown"] + moving["late"] + moving["lost"] == 6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--live", "--machine", "fast"), "--machine: 'fast': no such machine: choose from weak,"),
        (("--machine", "weak"), "--machine is for --live"),
    ],
)
def test_a_machine_that_cannot_be_is_refused(streamer, config, arguments, said):
    result = streamer("eval", config("mine"), *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
