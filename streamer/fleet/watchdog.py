"""A timer of the kernel's that ends this process, unless it is put off."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys

logger = logging.getLogger("streamer.fleet")

_CLOCK_MONOTONIC = 1
_SIGEV_SIGNAL = 0
"""Both from Linux's `time.h` and `signal.h`."""


class _SignalEvent(ctypes.Structure):
    """`struct sigevent`, which has 64 bytes on Linux."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * (64 - ctypes.sizeof(ctypes.c_void_p) - 8)),
    )


class _TimerSpec(ctypes.Structure):
    """`struct itimerspec`."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Watchdog:
    """
    Has the kernel kill this process at a time that is put off again and again.

    Nothing in the process can hold that up, such as a library that keeps Python's lock. On Linux it
    is SIGKILL, which ends a process that is stopped (SIGSTOP) as well; elsewhere, or where the
    kernel has no timer left, it is SIGALRM, which does not.

    One for a process; not thread-safe.
    """

    def __init__(self) -> None:
        self._libc: ctypes.CDLL | None = None
        self._timer = ctypes.c_void_p()
        if sys.platform != "linux":
            return
        try:
            self._libc = self._made()
        except OSError as error:
            logger.warning("a worker that stands still will not be ended: timer_create: %s", error)

    def put_off(self, after_s: float | None) -> None:
        """Kill this process in *after_s* seconds, or at once if they are over; None: never."""
        after_s = 0.0 if after_s is None else max(0.001, after_s)
        if self._libc is None:
            signal.setitimer(signal.ITIMER_REAL, after_s)
            return
        whole_s, ns = divmod(round(after_s * 1e9), 1_000_000_000)
        spec = ctypes.byref(_TimerSpec(0, 0, whole_s, ns))
        _check(self._libc.timer_settime(self._timer, 0, spec, None))

    def _made(self) -> ctypes.CDLL:
        """Make the timer; returns the library that has its functions. Raises OSError."""
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "timer_create"):  # glibc before 2.34
            libc = ctypes.CDLL("librt.so.1", use_errno=True)
        event = ctypes.byref(_SignalEvent(None, signal.SIGKILL, _SIGEV_SIGNAL))
        _check(libc.timer_create(_CLOCK_MONOTONIC, event, ctypes.byref(self._timer)))
        return libc


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
