"""How much memory the C library keeps for threads that have ended."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

_ARENA_MAX = -8
"""M_ARENA_MAX of glibc's malloc.h, see mallopt(3)."""
_ARENAS = 2


def keep_few_arenas() -> None:
    """
    Bound the heaps that glibc makes for threads, unless the environment says how many.

    By itself it makes up to eight a core, and keeps what is freed in each for it alone: over many
    connections, viewers and runs a process would grow by what no thread has any more. To be called
    before threads begin; does nothing where the C library is another one.
    """
    told = "MALLOC_ARENA_MAX" in os.environ or "arena_max" in os.environ.get("GLIBC_TUNABLES", "")
    if told or not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)
