"""Threads are called by their names in the system too, and their CPU time is theirs."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from streamer.core.cpu import ThreadTimes, giving_way, name_thread, thread_named

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads are seen on Linux only")


def burn(cpu_s: float) -> None:
    until = time.thread_time() + cpu_s
    while time.thread_time() < until:
        pass


def system_name() -> str:
    return Path(f"/proc/self/task/{threading.get_native_id()}/comm").read_text().strip()


def in_thread(name: str, work) -> threading.Thread:
    thread = threading.Thread(target=work, name=name)
    thread.start()
    return thread


def test_what_a_thread_spends_is_counted_by_its_name() -> None:
    burn(0.05)
    times = ThreadTimes()
    done, end = threading.Event(), threading.Event()

    def work() -> None:
        burn(0.1)
        done.set()
        end.wait()

    thread = in_thread("busy", work)
    done.wait()
    times.sample()
    end.set()
    thread.join()
    assert times.seconds()["busy"] == pytest.approx(0.1, abs=0.03)
    assert times.seconds()["MainThread"] < 0.04, "not what it spent before"
    times.sample()
    assert times.seconds()["busy"] == pytest.approx(0.1, abs=0.03), "also when it has ended"


def test_a_thread_of_a_library_goes_by_the_name_of_the_one_that_started_it() -> None:
    import _thread

    times = ThreadTimes()
    end, burnt, stopped = threading.Event(), threading.Event(), threading.Event()

    def unknown_to_python() -> None:
        burn(0.05)
        burnt.set()
        end.wait()
        stopped.set()

    def work() -> None:
        name_thread("codec")
        _thread.start_new_thread(unknown_to_python, ())

    in_thread("starter", work).join()
    burnt.wait()
    times.sample()
    end.set()
    stopped.wait()
    assert times.seconds()["codec (native)"] == pytest.approx(0.05, abs=0.03)


def test_a_long_name_is_cut_and_a_borrowed_one_given_back() -> None:
    names: list[str] = []

    def work() -> None:
        name_thread("sinks[0] record and more")
        names.append(system_name())
        with thread_named("model"):
            names.append(system_name())
        names.append(system_name())

    in_thread("streamer-any", work).join()
    assert names == ["sinks[0] record", "model", "sinks[0] record"]


def _policy_may_change() -> bool:
    """Some sandboxes forbid it."""
    allowed: list[bool] = []

    def probe() -> None:
        with suppress(OSError):
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))
            allowed.append(True)

    in_thread("probe", probe).join()
    return bool(allowed)


def test_who_gives_way_does_so_with_the_threads_that_it_starts_and_nobody_else() -> None:
    def policy() -> int:
        return os.sched_getscheduler(threading.get_native_id())

    def work() -> tuple[int, int]:
        inner: list[int] = []
        thread = threading.Thread(target=lambda: inner.append(policy()))
        thread.start()
        thread.join()
        return policy(), inner[0]

    if not _policy_may_change():
        pytest.skip("SCHED_IDLE is forbidden here")
    before = policy()
    assert giving_way(work) == (os.SCHED_IDLE, os.SCHED_IDLE)
    assert policy() == before


def test_where_a_policy_is_forbidden_threads_are_nice(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbidden)
    nice = giving_way(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert nice == 19


def test_what_fails_while_giving_way_fails_where_it_was_asked_for() -> None:
    with pytest.raises(ZeroDivisionError):
        giving_way(lambda: 1 // 0)
