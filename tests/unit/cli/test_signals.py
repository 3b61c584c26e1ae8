"""Real signals to a real process, whose pipeline is one that only waits."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys, time
import streamer

class Pipeline:
    abandoned = ()
    stopped = False

    @classmethod
    def from_config(cls, config, *, progress=None):
        if config.name == "loading":
            announce()
            time.sleep(30)
        return cls()

    def run(self, should_stop=None):
        announce()
        while not (self.stopped and should_stop()) or sys.argv[-1] == "name=stubborn":
            time.sleep(0.01)

    def request_stop(self):
        self.stopped = True
        announce()

    def report(self):
        return {"frames": {"captured": 3, "emitted": 3}}

def announce():
    os.write(1, b"here\\n")

streamer.Pipeline = Pipeline
from streamer.cli import main
main()
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")


@pytest.fixture
def started(tmp_path):
    (tmp_path / "c.yaml").write_text("source: {type: usb}\nsinks: [{type: discard}]\n")
    processes = []

    def start(name):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "run", "c.yaml", "--set", f"name={name}"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout.readline() == "here\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_finishes_a_run(started, signum):
    process = started("waiting")
    process.send_signal(signum)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "3 of 3 captured" in out
    assert "finishing the files" in err


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_ends_a_run_that_does_not(started, signum, code):
    process = started("stubborn")
    process.send_signal(signum)
    assert process.stdout.readline() == "here\n"
    process.send_signal(signum)
    process.communicate(timeout=30)
    assert process.returncode == code


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_run_ends_it_at_once_in_one_line(started, signum, code):
    process = started("loading")
    process.send_signal(signum)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err == "interrupted\n"
