"""An encoder's threads are no more urgent than others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.compositing import Composer
from streamer.sinks import RecordSink
from tests.unit.sinks.scene import shot, stream_info

_FORCED = """
import os
from contextlib import suppress
from streamer.core.cpu import no_real_time
os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
with suppress(KeyError), no_real_time():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
    raise KeyError
print(os.sched_getscheduler(0))
os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
with no_real_time():
    pass
print(os.sched_getscheduler(0))
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0,
    reason="NOT TESTED: real-time threads are made on Linux, by root",
)


def policies() -> set[int]:
    found = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found.add(os.sched_getscheduler(int(task.name)))
        except ProcessLookupError:
            continue
    return found


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.mkv"])
@pytest.mark.parametrize("layout", ["side_by_side", "cutout"])
def test_recording_av1_makes_no_thread_a_real_time_one(
    tmp_path: Path, name: str, layout: str
) -> None:
    before = policies()
    sink = RecordSink(tmp_path / name, Composer(layout), codec="av1", preset="ultrafast")
    sink.open(stream_info())
    for index in range(3):
        sink.write(*shot(index))
    during = policies()
    sink.close()
    assert during <= before
    assert policies() <= before


def test_who_is_a_real_time_thread_stays_one_and_who_was_made_one_does_not() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _FORCED], capture_output=True, text=True, timeout=60
    )
    if "PermissionError" in ran.stderr:
        pytest.skip("NOT TESTED: real-time threads are forbidden here")
    assert ran.stdout.split() == [str(os.SCHED_OTHER), str(os.SCHED_RR)]
