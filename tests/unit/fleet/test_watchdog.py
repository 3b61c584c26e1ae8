"""A process that is ended by the kernel."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PATIENCE_S = 30
PROLOGUE = """
import os, signal, time
from streamer.fleet.watchdog import Watchdog
it = Watchdog()
"""


def ended_by(program: str) -> int:
    """Run *program* with a watchdog `it`, in a process of its own; returns its exit code."""
    process = subprocess.Popen([sys.executable, "-c", PROLOGUE + program])
    try:
        return process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait()


def test_a_process_that_hangs_is_killed() -> None:
    by = signal.SIGKILL if sys.platform == "linux" else signal.SIGALRM
    assert ended_by(f"it.put_off(0.2); time.sleep({2 * PATIENCE_S})") == -by
    assert ended_by(f"it.put_off(-1); time.sleep({2 * PATIENCE_S})") == -by, "it is over"


@pytest.mark.skipif(sys.platform != "linux", reason="SIGALRM does not end a stopped process")
def test_a_process_that_is_stopped_is_killed() -> None:
    code = ended_by("it.put_off(0.5); os.kill(os.getpid(), signal.SIGSTOP)")
    assert code == -signal.SIGKILL


def test_it_is_put_off_until_then_or_for_good() -> None:
    assert ended_by("it.put_off(1); it.put_off(60)\ntime.sleep(1.5)") == 0
    assert ended_by("it.put_off(1); it.put_off(None)\ntime.sleep(1.5)") == 0


def test_it_ends_no_child() -> None:
    code = ended_by(
        "it.put_off(2)\n"
        "if os.fork() == 0: time.sleep(3); os._exit(7)\n"
        "it.put_off(None)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))"
    )
    assert code == 7


def test_it_works_where_the_kernel_has_no_timer_left() -> None:
    code = ended_by(
        "def none(self): raise OSError(11, 'Resource temporarily unavailable')\n"
        "Watchdog._made = none\n"
        "it = Watchdog()\n"
        f"it.put_off(0.2); time.sleep({2 * PATIENCE_S})"
    )
    assert code == -signal.SIGALRM
