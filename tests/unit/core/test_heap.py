"""The heaps of the C library are bounded, unless the environment says how many there may be."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

THREADS = 12

COUNT = """
import ctypes, sys, threading
from streamer.core.heap import keep_few_arenas

keep_few_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
all_have, seen = threading.Barrier(int(sys.argv[2]) + 1), threading.Event()

def use_heap():
    libc.malloc(50_000)
    all_have.wait()
    seen.wait()

threads = [threading.Thread(target=use_heap) for _ in range(int(sys.argv[2]))]
for thread in threads:
    thread.start()
all_have.wait()
out = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, out)
libc.fclose(out)
seen.set()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="heaps are those of glibc")
@pytest.mark.parametrize(
    ("told", "fewest", "most"), [({}, 1, 2), ({"MALLOC_ARENA_MAX": "5"}, 3, 5)]
)
def test_threads_share_few_heaps(told: dict[str, str], fewest: int, most: int, tmp_path: Path):
    out = tmp_path / "info.xml"
    kept = {name: value for name, value in os.environ.items() if "ARENA" not in name.upper()}
    subprocess.run(
        [sys.executable, "-c", COUNT, str(out), str(THREADS)],
        env={**kept, **told},
        check=True,
        timeout=60,
    )
    assert fewest <= out.read_text().count("<heap nr") <= most
