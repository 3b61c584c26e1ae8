import json
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from streamer import __version__
from streamer.cli import run

ROOT = Path(__file__).parents[3]

COMMANDS = [
    ("run",),
    ("preview",),
    ("image",),
    ("demo",),
    ("cameras",),
    ("doctor",),
    ("models", "list"),
    ("models", "pull"),
    ("models", "path"),
    ("config", "check"),
    ("config", "schema"),
    ("config", "init"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(streamer, command):
    result = streamer(*command, "--help")
    assert result.exit_code == 0
    assert "Example:" in result.stdout


def test_the_version_is_told(streamer):
    assert streamer("--version").stdout == f"streamer {__version__}\n"


def test_help_loads_nothing_heavy():
    code = (
        "import sys, streamer.cli\n"
        "heavy = {'cv2', 'av', 'onnxruntime', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "streamer", "--version"],
        check=True,
        timeout=60,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"streamer {__version__}\n"


def as_json(text):
    return [json.loads(line) for line in text.splitlines()]


IN_JSON = [
    ("--log-format", "json", "run", "nothing.yaml"),
    ("run", "nothing.yaml", "--log-format", "json"),
    ("run", "--log-format=json", "nothing.yaml"),
]


@pytest.mark.parametrize("args", IN_JSON, ids=" ".join)
def test_an_error_is_json_where_the_log_is(streamer, args):
    result = streamer(*args)
    assert result.exit_code == 2
    (said,) = as_json(result.stderr)
    assert said["level"] == "error"
    assert said["message"].startswith("nothing.yaml: ")


def test_the_environment_chooses_json_too(streamer, monkeypatch):
    monkeypatch.setenv("STREAMER_LOG_FORMAT", "json")
    assert as_json(streamer("run", "nothing.yaml").stderr)[0]["level"] == "error"
    assert streamer("--log-format", "text", "run", "nothing.yaml").stderr.startswith("error: ")


def test_a_usage_error_is_json_where_the_log_is(streamer):
    result = streamer("run", "--log-format", "json")
    assert result.exit_code == 2
    (said,) = as_json(result.stderr)
    assert said["level"] == "error"
    assert "Missing argument" in said["message"]


def test_what_is_no_log_format_is_refused(streamer):
    result = streamer("--log-format", "xml", "cameras")
    assert result.exit_code == 2
    assert "--log-format" in result.stderr


@pytest.fixture
def broken(monkeypatch):
    def fail(text):
        raise RuntimeError("rtsp://me:secret@cam\nwent wrong")

    monkeypatch.setattr(run, "guess_source", fail)


def test_with_debug_the_error_has_its_traceback_in_one_line_of_json(streamer, broken):
    result = streamer("--debug", "--log-format", "json", "preview")
    assert result.exit_code == 1
    assert "secret" not in result.stderr
    said = as_json(result.stderr)[-1]
    assert said["message"] == "RuntimeError: rtsp://***@cam went wrong"
    assert said["exception"].startswith("Traceback")


def test_without_debug_the_error_in_json_has_no_traceback(streamer, broken):
    (said,) = as_json(streamer("--log-format", "json", "preview").stderr)
    assert "exception" not in said


def test_what_is_logged_and_what_is_printed_are_json_alike(streamer, monkeypatch):
    def find():
        logging.getLogger("streamer.sources").warning("/dev/video0: is busy")
        return []

    monkeypatch.setattr("streamer.sources.cameras.list_cameras", find)
    logged, printed = as_json(streamer("--log-format", "json", "cameras").stderr)
    assert logged["message"] == "/dev/video0: is busy"
    assert printed["message"].startswith("no camera found")
    assert logged.keys() == printed.keys()


def test_what_ends_a_thread_of_a_command_is_json_too(streamer, monkeypatch):
    def fail():
        raise RuntimeError("rtsp://me:secret@cam\nwent wrong")

    def find():
        thread = threading.Thread(target=fail, name="streamer-finding")
        thread.start()
        thread.join()
        return []

    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    monkeypatch.setattr("streamer.sources.cameras.list_cameras", find)
    said = streamer("--log-format", "json", "cameras").stderr
    assert "secret" not in said
    assert as_json(said)[0]["message"] == "streamer-finding was ended by RuntimeError"
    assert threading.excepthook is threading.__excepthook__
