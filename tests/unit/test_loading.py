"""OpenCV's threads, beside a model that gives way."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LIVE = """
import os, time
from contextlib import suppress
from pathlib import Path
import cv2, numpy as np
import streamer.loading as loading
from streamer.core.cpu import giving_way
loading.core_count = lambda: 8
cv2.setNumThreads(8)
loading._share_cores(live=True)
giving_way(lambda: cv2.resize(np.zeros((2048, 2048, 3), np.uint8), (512, 512)))
def idle():
    found = 0
    for task in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):
            found += os.sched_getscheduler(int(task.name)) != os.sched_getscheduler(0)
    return found
deadline = time.monotonic() + 10
while idle() and time.monotonic() < deadline:  # the thread that gave way may be ending still
    time.sleep(0.01)
print(cv2.getNumThreads(), idle())
loading._share_cores(live=False)
print(cv2.getNumThreads())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are seen on Linux only")
def test_opencvs_threads_are_ordinary_ones_and_half_as_many_as_cores() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _LIVE], capture_output=True, text=True, check=True, timeout=120
    )
    assert ran.stdout.split() == ["4", "0", "4"], "never more than before, whatever comes"
