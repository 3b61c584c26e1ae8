"""
What every source promises, over all that run without a device or server, and the fakes.

The camera is the real `UsbSource` on a fake capture; RTSP takes part where no server is needed.
"""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from pydantic import ValidationError

from streamer.config import (
    FileSourceConfig,
    ImagesSourceConfig,
    RtspSourceConfig,
    SyntheticSourceConfig,
    UsbSourceConfig,
)
from streamer.errors import EndOfStream, SourceError
from streamer.frame import Grab, Image, StreamInfo
from streamer.protocols import Source
from streamer.sources import make_source
from streamer.sources.cropped import CroppedSource
from streamer.sources.shared import SharedSources
from tests.fakes import FakeSource
from tests.unit.sources.clips import encode
from tests.unit.sources.fake_camera import Bench

FRAMES = 12
SIZE = (320, 180)

Make = Callable[[], Source]


def pictures(folder: Path) -> Path:
    random = np.random.default_rng(0)
    for number in range(FRAMES):
        pixels = random.integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        Picture.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def camera(**fields: object) -> Source:
    bench = Bench(**fields)
    bench.capture.size = SIZE
    return bench.source


class Shared:
    """A reader of a source that another has joined, who never reads. Each read asks for a frame."""

    def __init__(self) -> None:
        self._asked = threading.Semaphore(0)
        source = FakeSource(FRAMES, size=SIZE, on_read=lambda number: self._asked.acquire())
        shared, config = SharedSources(lambda config: source), UsbSourceConfig(type="usb")
        self._reader, self._other = shared.make(config), shared.make(config)
        self.name = self._reader.name

    def open(self) -> StreamInfo:
        info = self._reader.open()
        assert self._other.open() == info
        return info

    def read(self, out: Image) -> Grab:
        self._asked.release()
        return self._reader.read(out)

    def close(self) -> None:
        self._other.close()
        self._asked.release()
        self._reader.close()


@pytest.fixture
def make_of(tmp_path: Path) -> Callable[[str], Make]:
    def of(kind: str) -> Make:
        match kind:
            case "fake":
                return lambda: FakeSource(FRAMES, size=SIZE)
            case "file":
                path = encode(tmp_path / "clip.mp4", frames=FRAMES, size=SIZE)
                return lambda: make_source(FileSourceConfig(type="file", path=str(path)))
            case "file again and again":
                path = encode(tmp_path / "clip.mkv", frames=FRAMES, size=SIZE)
                return lambda: make_source(FileSourceConfig(type="file", path=str(path), loop=True))
            case "animation":
                first, *others = [Picture.new("RGB", SIZE, (20 * n, 0, 99)) for n in range(FRAMES)]
                path = tmp_path / "moves.webp"
                first.save(path, save_all=True, append_images=others, duration=40, lossless=True)
                return lambda: make_source(FileSourceConfig(type="file", path=str(path)))
            case "images":
                config = ImagesSourceConfig(type="images", path=str(pictures(tmp_path)))
                return lambda: make_source(config)
            case "picture":
                path = pictures(tmp_path) / "0.png"
                config = ImagesSourceConfig(type="images", path=str(path), loop=True)
                return lambda: make_source(config)
            case "cropped":
                return lambda: CroppedSource(
                    FakeSource(FRAMES, size=SIZE), [(0.25, 0.1, 0.5, 0.5), (10, 20, 100, 100)]
                )
            case "shared by one":
                shared, config = SharedSources(lambda config: camera()), UsbSourceConfig(type="usb")
                return lambda: shared.make(config)
            case "shared by two":
                return Shared
            case "synthetic":
                config = SyntheticSourceConfig(
                    type="synthetic", width=SIZE[0], height=SIZE[1], frames=FRAMES
                )
                return lambda: make_source(config)
            case _:
                return camera

    return of


ENDING = ["fake", "file", "animation", "images", "synthetic", "cropped", "shared by two"]
ENDLESS = ["file again and again", "picture", "usb", "shared by one"]


@pytest.fixture(params=ENDING + ENDLESS)
def make(request: pytest.FixtureRequest, make_of: Callable[[str], Make]) -> Make:
    return make_of(request.param)


@pytest.fixture(params=ENDING)
def make_ending(request: pytest.FixtureRequest, make_of: Callable[[str], Make]) -> Make:
    return make_of(request.param)


def frame_for(source: Source) -> np.ndarray:
    info = source.open()
    return np.zeros((info.height, info.width, 3), np.uint8)


def test_it_writes_the_whole_of_the_callers_array_and_nothing_else(make):
    source = make()
    info = source.open()
    guarded = np.full((info.height + 2, info.width, 3), 77, np.uint8)
    out = guarded[1:-1]
    assert out.flags.c_contiguous
    source.read(out)
    first = out.copy()
    out[...] = 255 - first
    source.close()
    again = make()
    again.open()
    again.read(out)
    again.close()
    np.testing.assert_array_equal(out, first)
    assert (guarded[0] == 77).all()
    assert (guarded[-1] == 77).all()


def test_timestamps_and_capture_times_grow(make):
    source = make()
    out = frame_for(source)
    grabs = [source.read(out) for _ in range(FRAMES)]
    source.close()
    pts = [grab.pts for grab in grabs]
    assert pts == sorted(set(pts))
    captured = [grab.captured_ns for grab in grabs]
    assert captured == sorted(captured)


def test_the_time_base_is_as_announced(make):
    source = make()
    info = source.open()
    out = np.zeros((info.height, info.width, 3), np.uint8)
    assert source.read(out).time_base == info.time_base
    source.close()


def test_the_end_stays_the_end(make_ending):
    source = make_ending()
    out = frame_for(source)
    for _ in range(FRAMES):
        source.read(out)
    for _ in range(3):
        with pytest.raises(EndOfStream):
            source.read(out)
    source.close()


def test_as_many_frames_come_as_were_announced(make_ending):
    source = make_ending()
    assert source.open().frames == FRAMES
    source.close()


def test_what_is_closed_gives_no_more_frames_however_often(make):
    source = make()
    info = source.open()
    source.close()
    source.close()
    with pytest.raises(SourceError):
        source.read(np.empty((info.height, info.width, 3), np.uint8))


def test_a_close_without_an_open_leaves_it_good_for_one(make):
    source = make()
    source.close()
    assert source.open().width > 0
    source.close()


def test_the_name_is_known_before_open_and_stays(make):
    source = make()
    before = source.name
    assert before
    assert source.open().name == before
    source.close()


@pytest.mark.parametrize(
    "kind",
    [
        *("file", "file again and again", "picture", "synthetic", "usb", "fake", "cropped"),
        *("shared by one", "shared by two"),
    ],
)
def test_reading_allocates_no_frame(make_of, kind):
    source = make_of(kind)()
    out = frame_for(source)
    for _ in range(3):
        source.read(out)
    tracemalloc.start()
    try:
        for _ in range(6):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            source.read(out)
            assert tracemalloc.get_traced_memory()[1] - before < out.nbytes // 2
    finally:
        tracemalloc.stop()
        source.close()


def test_close_after_a_failed_open(tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video" * 100)
    sources = [
        make_source(FileSourceConfig(type="file", path=str(broken))),
        make_source(FileSourceConfig(type="file", path=str(tmp_path / "none.mp4"))),
        make_source(ImagesSourceConfig(type="images", path=str(tmp_path / "none"))),
        make_source(UsbSourceConfig(type="usb", device="/dev/none-such")),
        make_source(RtspSourceConfig.model_validate({"type": "rtsp", "url": "rtsp://127.0.0.1:9"})),
    ]
    for source in sources:
        with pytest.raises(SourceError):
            source.open()
        source.close()
        source.close()


def test_no_name_or_text_has_credentials():
    url = "rtsp://user:pass@host/1"
    source = make_source(RtspSourceConfig.model_validate({"type": "rtsp", "url": url}))
    assert "pass" not in source.name + repr(source)
    for config, kind in ((FileSourceConfig, "file"), (ImagesSourceConfig, "images")):
        with pytest.raises(ValidationError) as refused:
            config.model_validate({"type": kind, "path": url})
        assert "pass" not in str(refused.value)
