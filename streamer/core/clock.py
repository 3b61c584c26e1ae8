"""Time, passed in: the stages ask a `Clock`, and a test hands them one that it moves itself."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic time and interruptible waiting. Thread-safe."""

    def now_ns(self) -> int:
        """Monotonic nanoseconds."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until *event* is set (true) or *timeout_s* seconds have passed (false)."""
        ...


class SystemClock:
    """`time.monotonic_ns` and real waiting."""

    def now_ns(self) -> int:
        """Monotonic nanoseconds."""
        return time.monotonic_ns()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until *event* is set (true) or *timeout_s* seconds have passed (false)."""
        return event.wait(timeout_s)
