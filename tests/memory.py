"""How much memory a piece of work takes for itself, as Python and numpy count it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Growth:
    """What was allocated within a block, at its highest."""

    peak: int = 0
    """Bytes above what was there before; known after the block."""


@contextmanager
def allocating() -> Iterator[Growth]:
    """Watch the block's allocations; what FFmpeg, OpenCV and models take is not seen."""
    growth = Growth()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield growth
        growth.peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
