"""Real signals to a real process, whose pipeline is one that only waits, and broken outputs."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys, time
import streamer.host

class Host:
    abandoned = ()
    stopped = False
    failures = {}
    owns_stdout = False

    def __init__(self, box, *, progress):
        self.names = list(box.streams)

    def prepare(self):
        if self.names == ["loading"]:
            announce()
            time.sleep(30)

    def run(self, should_stop=None):
        announce()
        if "name=short" in sys.argv:
            self.request_stop()
        while not (self.stopped and should_stop()) or "name=stubborn" in sys.argv:
            time.sleep(0.01)
            if "name=short" in sys.argv:
                return

    def request_stop(self):
        self.stopped = True
        announce()

    def report(self):
        return {"frames": {"captured": 3, "emitted": 3}, "drops": {}}

def announce():
    try:
        os.write(1, b"here\\n")
    except OSError:
        pass

streamer.host.Host = Host
from streamer.cli import main
main()
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
each = pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": ""}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "c.yaml").write_text("source: {type: usb}\nsinks: [{type: discard}]\n")
    return tmp_path


def command(name):
    run = ["run", "c.yaml", "--set", f"name={name}", "--report", "report.json"]
    return [sys.executable, "-c", PROGRAM, *run]


@pytest.fixture
def started(folder):
    processes = []

    def start(name, **how):
        process = subprocess.Popen(
            command(name),
            cwd=folder,
            env=ENVIRONMENT,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how},
        )
        processes.append(process)
        if process.stdout is not None:
            assert process.stdout.readline() == "here\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@each
def test_the_first_signal_finishes_a_run(started, folder, signum, code):
    process = started("waiting")
    process.send_signal(signum)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "3 of 3 captured" in out
    assert "finishing the files" in err
    assert reported(folder)


@each
def test_the_second_signal_ends_a_run_that_does_not(started, signum, code):
    process = started("stubborn")
    process.send_signal(signum)
    assert process.stdout.readline() == "here\n"
    while process.poll() is None:  # those within 0.2 s are one with the first
        process.send_signal(signum)
    assert process.returncode == code


@each
def test_a_signal_before_the_run_ends_it_at_once_in_one_line(started, signum, code):
    process = started("loading")
    process.send_signal(signum)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err == "interrupted\n"


def test_two_signals_at_once_as_timeout_sends_them_finish_a_run(started):
    process = started("waiting")
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "3 of 3 captured" in out


def test_a_run_under_nohup_outlives_its_terminal(started):
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = started("waiting")
    finally:
        signal.signal(signal.SIGHUP, ignored)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert err.count("finishing the files") == 1


def reported(folder):
    return json.loads((folder / "report.json").read_text())["frames"]["emitted"] == 3


def test_a_terminal_that_closes_finishes_a_run_with_its_report(started, folder):
    ours, its = pty.openpty()
    process = started(
        "waiting",
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        preexec_fn=make_it_the_terminal,
    )
    os.close(its)
    assert os.read(ours, 4) == b"here"
    os.close(ours)  # the kernel sends SIGHUP, and what is printed from now on fails with EIO
    assert process.wait(30) == 0
    assert reported(folder)


def make_it_the_terminal():
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full, as Linux has it")
@pytest.mark.parametrize(
    "outputs",
    [">/dev/full", "2>/dev/full", ">/dev/full 2>&1", ">&-", "2>&-", "<&- >&- 2>&-", "| true"],
)
def test_a_run_whose_output_is_broken_is_reported_and_ends_as_it_went(folder, outputs):
    done = subprocess.run(
        ["/bin/sh", "-c", f'{{ "$@"; echo $? >code; }} {outputs}', "sh", *command("short")],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (folder / "code").read_text() == "0\n"
    assert reported(folder)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_file_never_gets_the_number_of_an_output_that_is_closed(folder):
    program = """
import os, sys
from streamer.cli import failures
failures.hold_standard_streams()
sys.exit(os.open("file", os.O_CREAT | os.O_WRONLY) < 3)
"""
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        line = ["/bin/sh", "-c", f'"$@" {closed}', "sh", sys.executable, "-c", program]
        subprocess.run(line, cwd=folder, env=ENVIRONMENT, check=True)
