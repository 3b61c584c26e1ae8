"""Where the CPU time of this process goes: names and priorities of threads, and what each spent."""

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
"""Linux's folder of threads, see proc(5); nowhere else is there one."""

_NICE = 19
"""The last: 15 of an ordinary thread's weight of 1024."""


def name_thread(name: str) -> None:
    """
    Call the present thread so in `top -H` and its like; on Linux, elsewhere nothing happens.

    Threads that it starts through a library inherit the name, of which 15 characters are kept.
    """
    with suppress(OSError):
        (_TASKS / str(threading.get_native_id()) / "comm").write_text(name[:15])


def name_beside(stage: str) -> str:
    """The name of a thread of *stage* that works for the stream of the present one."""
    present = threading.current_thread().name
    stream = present.rpartition("-")[0] if present.startswith("streamer-") else "streamer"
    return f"{stream}-{stage}"


@contextmanager
def thread_named(name: str) -> Iterator[None]:
    """Within this the present thread is called so, and after it as before."""
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
    Leave the present thread with the stack for signal handlers that it had, if any; on Linux.

    For libraries that give it one of theirs and free that from another thread. The next signal,
    such as that of Ctrl-C, would then end the process by SIGSEGV.
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
    Let other threads go before the present one where they compete, and before those it starts.

    On Linux, where priorities are of threads; elsewhere nothing happens. By SCHED_IDLE, see
    sched(7): an ordinary thread that wakes takes the core at once, which it does not from one that
    is merely nice, and is three times as late for it on two cores. A thread cannot go back.
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
    """(policy, niceness) of the present thread, and of those that it starts; (0, 0) off Linux."""
    if sys.platform != "linux":
        return 0, 0
    thread = threading.get_native_id()
    return os.sched_getscheduler(thread), os.getpriority(os.PRIO_PROCESS, thread)


def giving_way(work: Callable[[], T]) -> T:
    """Do *work* in a thread of its own that gives way, as do the threads that it starts."""
    results: list[T] = []
    failures: list[BaseException] = []

    def guarded() -> None:
        give_way()
        try:
            results.append(work())
        except BaseException as error:  # it is raised where it was asked for
            failures.append(error)

    thread = threading.Thread(target=guarded, name="streamer-loading")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


@contextmanager
def no_real_time() -> Iterator[None]:
    """
    Undo the real-time scheduling that a library sets within this.

    As root, SVT-AV1 (seen with 4.1.0) makes the thread that opens it and its own threads SCHED_FIFO
    with priority 99: they go before everything else on the machine. Afterwards they have the policy
    that the present thread had before. Nothing happens if that was a real-time one, or off Linux.
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
    Which threads spend the CPU time of this process from now on.

    It is read by `sample`, often: what a thread spent after the last one before its end is not
    known. Threads of Python go by their names, others by `NAME (native)`, where NAME is that of the
    thread that started them, or one of their own. On Linux; elsewhere nothing is known. For one
    thread.
    """

    def __init__(self) -> None:
        self._spent_ns = Counter[str]()
        self._read_ns: dict[int, int] = {}
        self.sample()
        self._spent_ns.clear()

    def sample(self) -> None:
        """Read what each thread has spent until now."""
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
                # A number that is given again belongs to another thread, which starts from 0.
                before_ns = self._read_ns.get(number, 0)
                new = read_ns[number] < before_ns
                self._spent_ns[name] += read_ns[number] - (0 if new else before_ns)
        self._read_ns = read_ns

    def seconds(self) -> dict[str, float]:
        """CPU seconds by name until the last sample, largest first."""
        return {name: ns / 1e9 for name, ns in self._spent_ns.most_common()}
