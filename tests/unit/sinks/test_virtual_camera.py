from __future__ import annotations

import importlib.util
import sys
from fractions import Fraction

import numpy as np
import pytest

from streamer.compositing import Composer
from streamer.errors import MissingDependency, SinkError
from streamer.sinks import VirtualCameraSink
from tests.unit.sinks.fake_camera import FakeCamera
from tests.unit.sinks.scene import GREEN, RED, shot, stream_info


class Cameras:
    """Makes fake cameras and keeps them."""

    def __init__(self) -> None:
        self.made: list[FakeCamera] = []

    def __call__(self, width: int, height: int, fps: float, device: str | None) -> FakeCamera:
        self.made.append(FakeCamera(width, height, fps, device))
        return self.made[-1]


def test_the_camera_is_as_large_as_the_picture_and_as_fast_as_the_source():
    cameras = Cameras()
    sink = VirtualCameraSink(Composer("side_by_side"), make=cameras)
    sink.open(stream_info(64, 48, Fraction(30000, 1001)))
    sink.close()
    (camera,) = cameras.made
    assert camera.shape == (48, 128, 3)
    assert camera.fps == pytest.approx(29.97, abs=0.01)
    assert camera.closed == 1


@pytest.mark.parametrize(("asked", "source", "told"), [(15.0, 30, 15), (None, None, 30)])
def test_its_rate_is_what_was_asked_or_a_usual_one(asked, source, told):
    cameras = Cameras()
    sink = VirtualCameraSink(Composer("source"), fps=asked, make=cameras)
    sink.open(stream_info(fps=Fraction(source) if source else None))
    sink.close()
    assert cameras.made[0].fps == told


def test_it_shows_each_frame_in_blue_green_red():
    cameras = Cameras()
    sink = VirtualCameraSink(Composer("source"), make=cameras)
    sink.open(stream_info())
    for index in range(3):
        sink.write(*shot(index))
    sink.close()
    assert len(cameras.made[0].shown) == 3
    for picture in cameras.made[0].shown:
        assert (picture[:, :32] == RED).all()
        assert (picture[:, 32:] == GREEN).all()


def test_a_frame_of_another_size_is_fitted_with_black_bars():
    cameras = Cameras()
    sink = VirtualCameraSink(Composer("source"), make=cameras)
    sink.open(stream_info())
    sink.write(*shot(0))
    sink.write(*shot(1, image=np.full((96, 48, 3), 200, np.uint8), epoch=1))
    sink.write(*shot(2, epoch=2))
    sink.close()
    first, fitted, last = cameras.made[0].shown
    assert (fitted[:, 21:43] == 200).all()
    assert not fitted[:, :19].any()
    assert not fitted[:, 45:].any()
    assert np.array_equal(first, last)


def test_the_device_that_is_asked_for_is_the_one():
    cameras = Cameras()
    sink = VirtualCameraSink(Composer(), device="/dev/video10", make=cameras)
    sink.open(stream_info())
    assert sink.statistics()["device"] == "/dev/video10"
    sink.close()


@pytest.mark.parametrize(
    ("platform", "advice"), [("linux", "modprobe v4l2loopback"), ("win32", "OBS Studio")]
)
def test_where_there_is_no_device_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, platform: str, advice: str
):
    def none(*what: object) -> FakeCamera:
        raise RuntimeError("No v4l2 loopback device found\non this system")

    monkeypatch.setattr(sys, "platform", platform)
    sink = VirtualCameraSink(Composer(), make=none)
    with pytest.raises(SinkError, match="No v4l2 loopback device found on this") as refused:
        sink.open(stream_info())
    sink.close()
    assert advice in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_device_that_goes_away_ends_the_sink_with_its_name():
    cameras = Cameras()
    sink = VirtualCameraSink(Composer(), make=cameras)
    sink.open(stream_info())
    cameras.made[0].close()
    with pytest.raises(SinkError, match="virtual camera /dev/video42: camera is closed"):
        sink.write(*shot())
    sink.close()


def test_without_the_package_it_says_so_before_the_source_is_opened(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    sink = VirtualCameraSink(Composer())
    with pytest.raises(MissingDependency, match=r"pip install 'streamer\[virtual-camera\]'"):
        sink.prepare()
    sink.close()


def test_the_real_package_is_asked_as_it_wants():
    if importlib.util.find_spec("pyvirtualcam") is None:
        pytest.skip("pyvirtualcam is not installed")
    sink = VirtualCameraSink(Composer(), device="/dev/none")
    sink.prepare()
    with pytest.raises(SinkError, match=r"virtual camera: .*/dev/none.*: "):
        sink.open(stream_info())
    sink.close()
