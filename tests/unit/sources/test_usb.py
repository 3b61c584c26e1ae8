from __future__ import annotations

import logging
from fractions import Fraction

import cv2
import numpy as np
import pytest

from streamer import Pipeline
from streamer.config import ReconnectConfig
from streamer.errors import (
    CorruptFrame,
    FormatChanged,
    SourceLost,
    SourceNotFound,
    SourceTimeout,
    SourceUnsupported,
)
from streamer.matting import EveryFrame
from tests.fakes import FakeSegmenter, FakeSink
from tests.unit.sources.fake_camera import Bench


def picture(size: tuple[int, int] = (64, 48)) -> np.ndarray:
    return np.zeros((size[1], size[0], 3), np.uint8)


def test_the_format_is_asked_for_before_size_and_rate():
    bench = Bench(width=64, height=48, fps=30)
    bench.source.open()
    assert bench.capture.asked == [
        cv2.CAP_PROP_FOURCC,
        cv2.CAP_PROP_FRAME_WIDTH,
        cv2.CAP_PROP_FRAME_HEIGHT,
        cv2.CAP_PROP_FPS,
        cv2.CAP_PROP_BUFFERSIZE,
    ]
    assert bench.capture.props[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")


def test_what_the_driver_gave_instead_is_logged(caplog):
    bench = Bench(width=1920, height=1080, fps=60, device=1)
    bench.capture.obeys = False
    bench.capture.props[cv2.CAP_PROP_FOURCC] = cv2.VideoWriter.fourcc(*"YUYV")
    with caplog.at_level(logging.WARNING):
        info = bench.source.open()
    assert (info.width, info.height, info.fps) == (64, 48, 30)
    assert [r.getMessage() for r in caplog.records] == [
        "camera 1: fourcc: asked for MJPG, the driver gave YUYV",
        "camera 1: width: asked for 1920, the driver gave 64",
        "camera 1: height: asked for 1080, the driver gave 48",
        "camera 1: fps: asked for 60, the driver gave 30",
    ]


def test_what_was_given_as_asked_is_not_logged(caplog):
    bench = Bench(width=64, height=48, fps=30)
    bench.source.open()
    assert not caplog.records


@pytest.mark.parametrize("rate", [0.0, float("nan"), float("inf"), -1.0])
def test_an_unknown_rate_is_none(rate):
    bench = Bench()
    bench.capture.props[cv2.CAP_PROP_FPS] = rate
    assert bench.source.open().fps is None


def test_a_fractional_rate_is_kept():
    bench = Bench()
    bench.capture.props[cv2.CAP_PROP_FPS] = 30000 / 1001
    assert bench.source.open().fps == Fraction(30000, 1001)


def test_frames_are_stamped_after_the_grab_in_microseconds():
    bench = Bench()
    assert bench.source.open().live
    out = picture()
    first, second = bench.source.read(out), bench.source.read(out)
    assert first.captured_ns == 5_033_000_000
    assert (first.pts, second.pts) == (5_033_000, 5_066_000)
    assert second.time_base == Fraction(1, 1_000_000)
    assert (out == 2).all()


@pytest.mark.parametrize(
    ("device", "opened"), [(3, 3), ("3", 3), ("c920", 4), ("/dev/null", "/dev/null")]
)
def test_a_device_is_an_index_a_path_or_a_part_of_its_name(device, opened):
    bench = Bench(device=device)
    bench.source.open()
    assert bench.devices == [opened]


def test_several_cameras_of_a_name_give_the_first_and_a_warning(caplog):
    bench = Bench(device="cam")
    bench.source.open()
    assert bench.devices == [2]
    assert "several cameras match" in caplog.text


@pytest.mark.parametrize("device", ["nosuch", "/dev/none-such"])
def test_a_device_that_is_not_there_points_to_the_list(device):
    bench = Bench(device=device)
    with pytest.raises(SourceNotFound, match="streamer cameras"):
        bench.source.open()
    assert not bench.devices


def test_a_device_that_does_not_open_points_to_the_list():
    bench = Bench()
    bench.capture.opened = False
    with pytest.raises(SourceNotFound, match=r"camera 0: cannot be opened.*streamer cameras"):
        bench.source.open()
    bench.source.close()
    assert bench.capture.released == 1


def test_a_camera_that_goes_silent_times_out_without_spinning():
    bench = Bench()
    bench.source.open()
    out = picture()
    bench.source.read(out)
    bench.capture.alive = False
    with pytest.raises(SourceTimeout, match=r"camera 0: delivered no frame for 3 s"):
        bench.source.read(out)
    assert 10 < bench.clock.waits < 150


def test_a_silent_camera_fails_to_open():
    bench = Bench()
    bench.capture.alive = False
    with pytest.raises(SourceTimeout):
        bench.source.open()


def test_a_camera_that_its_driver_closed_is_lost():
    bench = Bench()
    bench.source.open()
    out = picture()
    bench.source.read(out)
    bench.capture.alive = bench.capture.opened = False
    with pytest.raises(SourceLost, match="closed by its driver"):
        bench.source.read(out)


def test_an_unplugged_device_is_lost(tmp_path):
    node = tmp_path / "video9"
    node.touch()
    bench = Bench(device=str(node))
    bench.source.open()
    bench.source.read(picture())
    node.unlink()
    bench.capture.alive = False
    with pytest.raises(SourceLost, match="unplugged"):
        bench.source.read(picture())


def test_one_bad_frame_is_passed_over():
    bench = Bench()
    bench.source.open()
    out = picture()
    bench.source.read(out)
    bench.capture.readable = False
    with pytest.raises(CorruptFrame):
        bench.source.read(out)
    bench.capture.readable = True
    bench.source.read(out)


def test_another_size_is_announced_and_its_frame_kept():
    bench = Bench()
    bench.source.open()
    bench.source.read(picture())
    bench.capture.size = (32, 24)
    with pytest.raises(FormatChanged) as changed:
        bench.source.read(picture())
    assert (changed.value.info.width, changed.value.info.height) == (32, 24)
    out = picture((32, 24))
    bench.source.read(out)
    assert (out == 2).all()


def test_grey_becomes_colour_and_other_layouts_are_refused():
    bench = Bench()
    bench.capture.channels = 1
    bench.source.open()
    out = picture()
    bench.source.read(out)
    assert (out == 1).all()
    bench = Bench()
    bench.capture.channels = 2
    with pytest.raises(SourceUnsupported, match="fourcc"):
        bench.source.open()


def test_a_camera_that_is_unplugged_comes_back_when_it_is_plugged_in_again(tmp_path):
    device = tmp_path / "video9"
    device.touch()
    benches: list[Bench] = []

    def fresh():
        bench = Bench(device=str(device))
        benches.append(bench)
        if len(benches) == 3:
            device.touch()
        return bench.source

    sink = FakeSink()

    def unplug(frame):
        if len(sink.indices) == 3:
            device.unlink()
            benches[0].capture.alive = False

    sink._on_write = unplug
    first = fresh()
    run = Pipeline(
        first,
        EveryFrame(FakeSegmenter()),
        [sink],
        fresh=fresh,
        reconnect=ReconnectConfig(first_s=0.05),
    )
    run.run(should_stop=lambda: any(epoch == 1 for epoch in sink.epochs))
    assert run.report()["reconnects"] == 1
    assert [bench.capture.released for bench in benches] == [1, 0, 1]


def test_of_a_fast_camera_only_as_many_frames_are_decoded_as_are_wanted(monkeypatch):
    bench = Bench(max_fps=15)
    info = bench.source.open()
    assert info.fps == 15, "of the 30 that it gives"
    decoded = []
    retrieve = bench.capture.retrieve
    monkeypatch.setattr(
        bench.capture,
        "retrieve",
        lambda image=None: decoded.append(bench.capture.level) or retrieve(image),
    )
    out = picture()
    times, levels = [], []
    for _ in range(10):
        times.append(bench.source.read(out).pts)
        levels.append(int(out[0, 0, 0]))
    assert levels == list(range(1, 20, 2))
    assert decoded == levels[1:], "the first was decoded to learn its size"
    assert np.allclose(np.diff(times), 66_000)


def test_a_camera_slower_than_the_most_that_is_wanted_keeps_its_rate():
    bench = Bench(max_fps=50)
    assert bench.source.open().fps == 30
    out = picture()
    for number in range(1, 6):
        bench.source.read(out)
        assert (out == number).all()
