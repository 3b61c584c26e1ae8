"""`streamer run` with several streams, in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeModel
from tests.waiting import wait_for

Start = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")


@pytest.fixture
def box(tmp_path: Path, make_model: MakeModel) -> Path:
    path = tmp_path / "box.yaml"
    write(path, make_model(size=32), "door")
    return path


def write(path: Path, model: Path, *names: str, fps: int = 30) -> None:
    pictures = path.parent / "out"
    path.write_text(
        f"""
defaults:
  model: {{name: {model}, providers: [cpu], threads: 1}}
  source: {{type: synthetic, width: 64, height: 48, realtime: true, fps: {fps}}}
  sinks: [{{type: images, path: "{pictures}/{{stream}}", limit: 20}}]
streams: {{{", ".join(f"{name}: {{}}" for name in names)}}}
"""
    )


@pytest.fixture
def start(box: Path) -> Iterator[Start]:
    processes = []

    def started(*options: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "streamer", "run", box.name, "--report", "r.json"]
        process = subprocess.Popen(
            [*command, *options],
            cwd=box.parent,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield started
    for process in processes:
        process.kill()
        process.communicate()


def runs(box: Path, name: str) -> bool:
    """Whether the stream *name* has written pictures."""
    folder = box.parent / "out" / name
    return folder.is_dir() and any(folder.iterdir())


def report_of(process: subprocess.Popen[str], box: Path) -> tuple[int, dict[str, dict]]:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    return process.returncode, json.loads((box.parent / "r.json").read_text())["streams"]


def test_a_file_that_is_watched_brings_streams_and_takes_them(
    box: Path, start: Start, make_model: MakeModel
) -> None:
    process = start("--watch")
    wait_for(lambda: runs(box, "door"))
    write(box, make_model(size=32), "door", "hall")
    wait_for(lambda: runs(box, "hall"))
    code, streams = report_of(process, box)
    assert code == 0
    assert list(streams) == ["door", "hall"]
    assert all(stream["frames"]["emitted"] for stream in streams.values())


def test_hangup_does_not_end_a_run_whose_file_is_watched(box: Path, start: Start) -> None:
    process = start("--watch", NOTIFY_SOCKET="")
    wait_for(lambda: runs(box, "door"))
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    before = len(list((box.parent / "out" / "door").iterdir()))
    wait_for(lambda: len(list((box.parent / "out" / "door").iterdir())) > before or before >= 20)
    assert process.poll() is None, "it goes on"
    assert report_of(process, box)[0] == 0


def test_hangup_ends_a_run_whose_file_is_not_watched(box: Path, start: Start) -> None:
    process = start()
    wait_for(lambda: runs(box, "door"))
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert (box.parent / "r.json").exists(), "with its report, as at SIGTERM"


def test_as_a_service_hangup_reads_the_file(
    box: Path, start: Start, make_model: MakeModel, tmp_path: Path
) -> None:
    process = start(NOTIFY_SOCKET=str(tmp_path / "notify"))
    wait_for(lambda: runs(box, "door"))
    write(box, make_model(size=32), "door", "hall")
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: runs(box, "hall"))
    assert report_of(process, box)[0] == 0


def test_a_stream_that_is_down_at_the_end_gives_its_exit_code(
    box: Path, start: Start, make_model: MakeModel
) -> None:
    missing = "streams.hall.source={type: file, path: missing.mp4}"
    write(box, make_model(size=32), "door", "hall")
    process = start("--set", missing)
    wait_for(lambda: runs(box, "door"))
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    streams = json.loads((box.parent / "r.json").read_text())["streams"]
    assert process.returncode == 3
    assert said.splitlines()[-1] == "error: hall: missing.mp4: no such file"
    assert "missing.mp4" in streams["hall"]["error"]
    assert streams["door"]["error"] is None
