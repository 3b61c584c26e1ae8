"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 20.0
"""Far more than anything takes on a slow machine; only a test that fails waits so long."""


def wait_for(condition: Callable[[], object]) -> None:
    """Return as soon as *condition* is true."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.01)
