"""The command in a container: no HOME, a user id without an entry, nothing to write but here."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import pwd, sys

def unknown(_):
    raise KeyError

pwd.getpwuid = pwd.getpwnam = unknown
from streamer.cli import main
main()
"""


@pytest.fixture
def streamer_without_home(tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *map(str, arguments)],
            cwd=tmp_path,
            env={"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_a_run_with_a_local_model_ends_well_and_one_to_fetch_names_the_setting(
    streamer_without_home, make_model, tmp_path
):
    (tmp_path / "c.yaml").write_text(
        "source: {type: synthetic, width: 64, height: 48, frames: 3}\n"
        f"model: {{name: {make_model()}, providers: [cpu]}}\n"
        "sinks: [{type: record, path: a.mp4, layout: cutout}]\n"
    )
    before = {path.name for path in tmp_path.iterdir()}
    done = streamer_without_home("run", "c.yaml")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} - before == {"a.mp4"}
    done = streamer_without_home("run", "c.yaml", "--set", "model.name=isnet")
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "set STREAMER_CACHE" in done.stderr


def test_doctor_does_not_call_that_ready(streamer_without_home):
    done = streamer_without_home("doctor")
    assert done.returncode == 1
    assert "problem  cache            there is no home folder here" in done.stdout
    assert "set STREAMER_CACHE" in done.stdout
    assert "ready" not in done.stdout
