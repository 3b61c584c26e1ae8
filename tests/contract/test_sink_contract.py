"""
What every sink promises, over all of them and a fake.

The window needs a screen and a process whose main thread it may have for good, so the suite runs
itself once more there, with the screen's name in STREAMER_TEST_SCREEN.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from pydantic import SecretStr

from streamer.compositing import Composer
from streamer.config import (
    DEFAULT_SETTINGS,
    DiscardSinkConfig,
    DisplaySinkConfig,
    ImagesSinkConfig,
    PageSinkConfig,
    PipeSinkConfig,
    RecordSinkConfig,
    RtspSinkConfig,
    SinkConfig,
)
from streamer.core.metrics import LatencyHistogram
from streamer.protocols import Sink
from streamer.sinks import Making, VirtualCameraSink, make_sink
from tests.fakes import FakeSink
from tests.unit.control.window.xvfb import virtual_screen
from tests.unit.sinks.fake_camera import FakeCamera
from tests.unit.sinks.scene import RED, shot, stream_info

HERE = Path(__file__)
HAS_SCREEN = "STREAMER_TEST_SCREEN" in os.environ
FILMS = ["record.gif", "record.mkv", "record.mov", "record.mp4", "record.webm", "record.webp"]
KINDS = (
    ["display"]
    if HAS_SCREEN
    else ["discard", "fake", "images", "page", "pipe", *FILMS, "rtsp", "virtual_camera"]
)

Make = Callable[[], Sink]


def config_of(kind: str, folder: Path) -> SinkConfig:
    match kind:
        case "discard":
            return DiscardSinkConfig(type="discard")
        case "display":
            return DisplaySinkConfig(type="display", snapshots=str(folder))
        case "images":
            return ImagesSinkConfig(type="images", path=str(folder / "{stream}"))
        case "rtsp":
            url = SecretStr("rtsp://127.0.0.1:0/masked")
            return RtspSinkConfig(type="rtsp", serve=url, preset="ultrafast")
        case "page":
            return PageSinkConfig(type="page")
        case "pipe":
            return PipeSinkConfig(type="pipe", path=str(folder / "pipe"))
        case _:
            suffix = Path(kind).suffix
            return RecordSinkConfig(type="record", path=str(folder / f"{{stream}}{suffix}"))


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[int]:
    """A named pipe, open at its other end, whose buffer holds all that a test writes."""
    os.mkfifo(tmp_path / "pipe")
    handle = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(handle, fcntl.F_SETPIPE_SZ, 1 << 20)
    yield handle
    os.close(handle)


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    match request.param:
        case "fake":
            return FakeSink
        case "virtual_camera":
            return lambda: VirtualCameraSink(Composer(), make=FakeCamera)
        case "pipe":
            request.getfixturevalue("reader")
    return lambda: make_sink(
        config_of(request.param, tmp_path),
        Making(
            settings=DEFAULT_SETTINGS,
            stream="desk",
            latency=LatencyHistogram(),
        ),
    )


@pytest.mark.skipif(HAS_SCREEN, reason="this is that run")
def test_the_window_keeps_this_contract_too():
    with virtual_screen("-noreset") as screen:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE)],
            cwd=HERE.parents[2],
            env=os.environ | {"DISPLAY": screen, "STREAMER_TEST_SCREEN": screen},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]


def test_its_name_is_known_before_open(make: Make):
    sink = make()
    assert sink.name == sink.statistics()["type"]


def test_what_is_written_is_counted(make: Make):
    sink = make()
    sink.open(stream_info())
    for index in range(3):
        sink.write(*shot(index))
    sink.close()
    assert sink.statistics()["frames"] == 3


def test_closing_without_a_frame_is_no_error(make: Make):
    sink = make()
    sink.open(stream_info())
    sink.close()
    assert sink.statistics()["frames"] == 0


def test_closing_without_an_open_is_harmless(make: Make):
    sink = make()
    sink.close()
    assert sink.statistics()["frames"] == 0


def test_closing_twice_is_once(make: Make):
    sink = make()
    sink.open(stream_info())
    sink.write(*shot())
    sink.close()
    sink.close()
    assert sink.statistics()["frames"] == 1


def test_another_size_with_a_new_epoch_is_taken(make: Make):
    sink = make()
    sink.open(stream_info())
    for epoch, (width, height) in enumerate([(64, 48), (96, 54), (31, 77), (64, 48)]):
        sink.write(*shot(epoch, width=width, height=height, epoch=epoch))
    sink.close()
    assert sink.statistics()["frames"] == 4


def test_timestamps_that_begin_anew_with_an_epoch_are_taken(make: Make):
    sink = make()
    sink.open(stream_info())
    for index, (epoch, pts) in enumerate([(0, 100), (0, 101), (1, 0), (1, 1)]):
        sink.write(*shot(index, pts, epoch=epoch))
    sink.close()
    assert sink.statistics()["frames"] == 4


def test_arrays_are_borrowed_only_and_left_as_they_were(make: Make):
    sink = make()
    sink.open(stream_info())
    frame, matte = shot()
    image, alpha = frame.image.copy(), matte.alpha.copy()
    sink.write(frame, matte)
    assert np.array_equal(frame.image, image)
    assert np.array_equal(matte.alpha, alpha)
    sink.close()


def test_what_is_overwritten_after_a_write_was_taken_as_it_was(make: Make, tmp_path: Path):
    sink = make()
    sink.open(stream_info())
    frame, matte = shot()
    for index in range(3):
        later, _ = shot(index)
        frame.image[:] = later.image
        matte.alpha[:, :32] = 255
        sink.write(replace(frame, stamp=later.stamp), replace(matte, stamp=later.stamp))
        frame.image[:] = 77
        matte.alpha[:] = 0
    sink.close()
    for picture in pictures_of(sink, tmp_path):
        assert (np.abs(picture[8:-8, 8:24].astype(int) - RED) < 12).all()


def test_statistics_are_json_at_any_time(make: Make):
    sink = make()
    json.dumps(sink.statistics())
    sink.open(stream_info())
    sink.write(*shot())
    json.dumps(sink.statistics())
    sink.close()
    json.dumps(sink.statistics())


def pictures_of(sink: Sink, folder: Path) -> list[np.ndarray]:
    """What can be read back of what *sink* wrote."""
    if sink.name == "images":
        return [cv2.imread(str(path)) for path in sorted((folder / "desk").iterdir())]
    if sink.name == "record" and not (folder / "desk.webp").exists():  # FFmpeg reads none that move
        with av.open(str(next(folder.glob("desk.*")))) as film:
            return [frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)]
    return []
