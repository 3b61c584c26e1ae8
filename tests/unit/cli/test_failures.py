import json
import logging

import pytest
import typer

from streamer.cli import logs, run
from streamer.cli.failures import explain, say
from streamer.cli.interruption import Interrupted
from streamer.errors import (
    ConfigError,
    ModelNotFound,
    SinkError,
    SourceNotFound,
    StageFailed,
    StreamerError,
)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("a.yaml: is empty"), 2, "error: a.yaml: is empty"),
        (SourceNotFound("no camera"), 3, "error: no camera"),
        (ModelNotFound("no model"), 4, "error: no model"),
        (SinkError("full"), 5, "error: full"),
        (StreamerError("two\nlines"), 1, "error: two lines"),
        (StageFailed("capture", SourceNotFound("gone")), 3, "error: capture: gone"),
        (
            ValueError("rtsp://me:secret@cam failed"),
            1,
            "error: ValueError: rtsp://***@cam failed: run again with --debug to see where",
        ),
        (Interrupted(2), 130, "interrupted"),
        (Interrupted(15), 143, "interrupted"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_every_failure_is_one_line_and_an_exit_code(error, code, said, capsys):
    assert explain(error) == code
    captured = capsys.readouterr()
    assert captured.err == said + "\n"
    assert captured.out == ""


@pytest.mark.parametrize(
    "error", [typer.Exit(3), typer.BadParameter("x"), BrokenPipeError(32, "gone"), SystemExit(2)]
)
def test_what_the_command_line_ends_with_itself_is_left_alone(error, capsys):
    assert explain(error) is None
    assert capsys.readouterr().err == ""


@pytest.fixture
def broken(monkeypatch):
    def fail(text):
        raise RuntimeError("rtsp://me:secret@cam went wrong")

    monkeypatch.setattr(run, "guess_source", fail)


def test_an_unexpected_failure_hides_its_traceback(streamer, broken):
    result = streamer("preview")
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    assert "--debug" in result.stderr


@pytest.mark.parametrize("args", [("--debug", "preview"), ("preview", "--debug")])
def test_debug_shows_the_traceback_without_credentials(streamer, broken, args):
    result = streamer(*args)
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "secret" not in result.output


def test_a_usage_error_exits_with_2(streamer):
    assert streamer("run").exit_code == 2
    assert streamer("no-such-command").exit_code == 2


@pytest.fixture
def in_json():
    handler = logs.set_up(verbose=False, debug=False, log_format=logs.LogFormat.json)
    yield
    logs.tear_down(handler)


@pytest.mark.parametrize("stream", ["door", "error", "warning", "note"])
def test_what_is_said_of_a_stream_names_it_in_its_own_field(in_json, capsys, stream):
    say("error: no camera", level=logging.WARNING, stream=stream)
    said = json.loads(capsys.readouterr().err)
    del said["time"]
    assert said == {
        "level": "warning",
        "stream": stream,
        "logger": "streamer.cli",
        "message": "error: no camera",
    }


def test_what_is_said_of_a_stream_begins_with_its_name(capsys):
    say("live, fps 15.0", level=logging.INFO, stream="door")
    assert capsys.readouterr().err == "door: live, fps 15.0\n"
