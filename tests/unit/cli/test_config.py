import json
from pathlib import Path

import pytest

from streamer.cli.shipped import templates
from streamer.config.describe.reference import reference


@pytest.mark.parametrize("name", ["webcam", "headless", "rtsp_relay", "box", "demo"])
def test_init_writes_a_template_that_check_accepts(streamer, name, monkeypatch):
    for camera in ("DOOR_CAMERA", "HALL_CAMERA"):
        monkeypatch.setenv(camera, "rtsp://camera/stream")
    written = streamer("config", "init", name)
    assert written.exit_code == 0
    checked = streamer("config", "check", f"{name}.yaml")
    assert checked.exit_code == 0, checked.stderr
    assert f"{name}.yaml: valid" in checked.stdout


def test_every_template_explains_itself():
    assert set(templates()) >= {"webcam", "headless", "rtsp_relay", "box", "demo"}
    for entry in templates().values():
        assert entry.read_text(encoding="utf-8").startswith("# ")


def test_init_never_overwrites_without_force(streamer):
    assert streamer("config", "init").exit_code == 0
    Path("webcam.yaml").write_text("mine")
    refused = streamer("config", "init")
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert Path("webcam.yaml").read_text() == "mine"
    assert streamer("config", "init", "--force").exit_code == 0
    assert Path("webcam.yaml").read_text() != "mine"


def test_init_makes_the_folder_it_is_told(streamer):
    assert streamer("config", "init", "demo", "--out", "a/b/c.yaml").exit_code == 0
    assert Path("a/b/c.yaml").is_file()


def test_init_names_the_templates_there_are(streamer):
    result = streamer("config", "init", "nothing")
    assert result.exit_code == 2
    assert "webcam" in result.stderr


def test_check_says_what_is_wrong_in_one_line(streamer):
    streamer("config", "init")
    result = streamer("config", "check", "webcam.yaml", "--set", "source.fps=0")
    assert result.exit_code == 2
    assert result.stderr == "error: webcam.yaml: source.fps: 0 is not a positive number\n"
    assert result.stdout == ""


def test_schema_prints_json_alone(streamer):
    result = streamer("config", "schema")
    assert result.exit_code == 0
    assert "source" in json.loads(result.stdout)["properties"]


def test_reference_prints_the_page_alone(streamer):
    result = streamer("config", "reference")
    assert result.exit_code == 0
    assert result.stdout == reference()
