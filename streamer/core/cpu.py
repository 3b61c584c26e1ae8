"""Threads and the CPU time of this process: their names, their priorities, and their shares."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_TASKS = Path("/proc/self/task")
"""The folder of this process's threads on Linux, see proc(5); other systems have none."""

_NICE = 19
"""The lowest priority: a weight of 15, where an ordinary thread has 1024."""


def name_thread(name: str) -> None:
    """
    Set the name of the present thread in `top -H` and the like. Does nothing off Linux.

    Threads that it starts through a library inherit the name, of which 15 characters are kept.
    """
    with suppress(OSError):
        (_TASKS / str(threading.get_native_id()) / "comm").write_text(name[:15])


def name_beside(stage: str) -> str:
    """The name for a thread of *stage* that works for the same stream as the present thread."""
    present = threading.current_thread().name
    stream = present.rpartition("-")[0] if present.startswith("streamer-") else "streamer"
    return f"{stream}-{stage}"


@contextmanager
def thread_named(name: str) -> Iterator[None]:
    """Rename the present thread for the time of the block."""
    before = ""
    with suppress(OSError):
        before = (_TASKS / str(threading.get_native_id()) / "comm").read_text().rstrip("\n")
    name_thread(name)
    try:
        yield
    finally:
        if before:
            name_thread(before)


class _SignalStack(ctypes.Structure):
    """Linux's stack_t, see sigaltstack(2)."""

    _fields_ = (
        ("start", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


@contextmanager
def own_signal_stack() -> Iterator[None]:
    """
    After the block, give the present thread back its own stack for signal handlers, if any.

    Some libraries give the thread a stack of theirs and free it from another thread. The next
    signal, such as Ctrl-C, would then end the process by SIGSEGV. Does nothing off Linux.
    """
    if sys.platform != "linux":
        yield
        return
    libc, own = ctypes.CDLL(None), _SignalStack()
    libc.sigaltstack(None, ctypes.byref(own))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(own), None)


def give_way() -> None:
    """
    Let other threads run before the present one, and before those it starts. It cannot be undone.

    Does nothing off Linux, where threads have no priority of their own. It sets SCHED_IDLE, see
    sched(7): an ordinary thread that wakes takes the core at once. From a thread that is merely
    nice it does not, and is three times as late for that on two cores.
    """
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    try:
        os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
    except OSError:  # a sandbox forbids it
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, _NICE)


def priority() -> tuple[int, int]:
    """(policy, niceness) of the present thread and of those it starts; (0, 0) off Linux."""
    if sys.platform != "linux":
        return 0, 0
    thread = threading.get_native_id()
    return os.sched_getscheduler(thread), os.getpriority(os.PRIO_PROCESS, thread)


def giving_way(work: Callable[[], T]) -> T:
    """Do *work* in a thread that gives way, as do the threads that it starts, and wait for it."""
    results: list[T] = []
    failures: list[BaseException] = []

    def guarded() -> None:
        give_way()
        try:
            results.append(work())
        except BaseException as error:  # it is raised in the caller's thread
            failures.append(error)

    thread = threading.Thread(target=guarded, name=name_beside("loading"))
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


@contextmanager
def no_real_time() -> Iterator[None]:
    """
    Undo the real-time scheduling that a library sets within the block.

    As root, SVT-AV1 (seen with 4.1.0) makes the thread that opens it and its own threads SCHED_FIFO
    with priority 99: they go before everything else on the machine. After the block they get the
    policy that the present thread had before. Does nothing if that was real-time, or off Linux.
    """
    if sys.platform != "linux":
        yield
        return
    real_time = (os.SCHED_FIFO, os.SCHED_RR)
    before = os.sched_getscheduler(0)
    try:
        yield
    finally:
        if before not in real_time and os.sched_getscheduler(0) in real_time:
            for task in _TASKS.iterdir():
                with suppress(OSError):  # it has just ended
                    if os.sched_getscheduler(int(task.name)) in real_time:
                        os.sched_setscheduler(int(task.name), before, os.sched_param(0))


class ThreadTimes:
    """
    The CPU time that each thread of this process spends from now on.

    Call `sample` often: the time that a thread spends between the last sample and its end is lost.
    Threads of Python go by their names, others by `NAME (native)`, where NAME is that of the thread
    that started them, or one of their own. Counts nothing off Linux. For one thread.
    """

    def __init__(self) -> None:
        self._spent_ns = Counter[str]()
        self._read_ns: dict[int, int] = {}
        self.sample()
        self._spent_ns.clear()

    def sample(self) -> None:
        """Read the time that each thread has spent until now."""
        ours = {thread.native_id: thread.name for thread in threading.enumerate()}
        read_ns: dict[int, int] = {}
        with suppress(OSError):
            for task in list(_TASKS.iterdir()):
                number = int(task.name)
                try:
                    read_ns[number] = int((task / "schedstat").read_text().split()[0])
                    name = ours.get(number) or f"{(task / 'comm').read_text().strip()} (native)"
                except (OSError, IndexError):  # it has just ended
                    continue
                # A number that is used again belongs to another thread, which starts from 0.
                before_ns = self._read_ns.get(number, 0)
                new = read_ns[number] < before_ns
                self._spent_ns[name] += read_ns[number] - (0 if new else before_ns)
        self._read_ns = read_ns

    def seconds(self) -> dict[str, float]:
        """CPU seconds by name until the last sample, largest first."""
        return {name: ns / 1e9 for name, ns in self._spent_ns.most_common()}
