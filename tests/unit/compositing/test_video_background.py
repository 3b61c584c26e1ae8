"""A video behind the subject, from the configuration to the pictures: opened, shown, closed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer import Pipeline
from streamer.compositing import Composer
from streamer.config import (
    ComposeConfig,
    Settings,
    SinkConfig,
    VideoBackgroundConfig,
    parse_config,
)
from streamer.core.metrics import LatencyHistogram
from streamer.errors import ConfigError
from streamer.sinks import Making, VirtualCameraSink, make_sink
from streamer.sources.looped import LoopedVideo
from tests.unit.sinks.fake_camera import FakeCamera
from tests.unit.sinks.scene import shot, stream_info
from tests.unit.sources.clips import encode


def number(picture: np.ndarray) -> int:
    """Which frame of the clip it is: frame n is filled with luma 16 + 4n."""
    return round(float(picture.mean()) * 219 / 255 / 4)


class Watched(LoopedVideo):
    """A video of which it is known whether it was closed."""

    all: list[Watched]

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.pictures = 0
        self.closed = False
        Watched.all.append(self)

    def __call__(self, pts_s: float) -> np.ndarray:
        self.pictures += 1
        return super().__call__(pts_s)

    def close(self) -> None:
        self.closed = True
        super().close()


@pytest.fixture
def waves(tmp_path: Path) -> Path:
    Watched.all = []
    return encode(tmp_path / "waves.mp4", frames=10)


@pytest.mark.parametrize("kind", ["discard", "images", "pipe", "record", "rtsp", "virtual_camera"])
def test_every_sink_closes_the_video_that_it_showed(waves, tmp_path, kind) -> None:
    background = VideoBackgroundConfig(type="video", path=str(waves))
    settings = Settings(compose=ComposeConfig(background=background))
    options: dict[str, object] = {
        "images": {"path": str(tmp_path / "out")},
        "pipe": {"path": str(tmp_path / "pipe")},
        "record": {"path": str(tmp_path / "out.mp4")},
        "rtsp": {"serve": "rtsp://127.0.0.1:0/masked", "preset": "ultrafast"},
    }.get(kind, {})
    reader = None
    if kind == "pipe":
        os.mkfifo(tmp_path / "pipe")
        reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    if kind == "virtual_camera":
        composer = Composer("composite", settings, open_video=Watched)
        sink = VirtualCameraSink(composer, make=FakeCamera)
    else:
        sink = make_sink(
            a_sink(type=kind, layout="composite", **options),
            Making(
                settings=settings,
                stream="desk",
                latency=LatencyHistogram(),
                open_video=Watched,
            ),
        )
    sink.open(stream_info())
    frame, matte = shot()
    sink.write(replace(frame, settings=settings), matte)
    (video,) = Watched.all
    assert video.pictures == 1
    assert not video.closed
    sink.close()
    assert video.closed
    if reader is not None:
        os.close(reader)


def a_sink(**fields: object) -> SinkConfig:
    source = {"type": "synthetic"}
    (config,) = parse_config({"source": source, "sinks": [fields]}).sinks
    return config


def test_a_run_shows_the_video_at_the_streams_pace(waves, tmp_path, make_model) -> None:
    pictures = tmp_path / "out"
    config = parse_config(
        {
            "source": {"type": "synthetic", "frames": 14, "fps": 12.5, "width": 64, "height": 48},
            # So sure that all is background that nothing of the frame is left.
            "model": {"name": str(make_model(bias=-60.0))},
            "compose": {"background": {"type": "video", "path": str(waves)}},
            "sinks": [{"type": "images", "path": str(pictures), "layout": "composite"}],
        }
    )
    Pipeline.from_config(config).run()
    shown = [number(cv2.imread(str(path))) for path in sorted(pictures.iterdir())]
    assert shown == [2 * n % 10 for n in range(14)], "a stream half as fast sees every second one"


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_run_does_not_begin_without_its_background(tmp_path, kind) -> None:
    config = parse_config(
        {
            "source": {"type": "synthetic"},
            # That it is missing would be told next.
            "model": {"name": str(tmp_path / "missing.onnx")},
            "compose": {"background": {"type": kind, "path": str(tmp_path / "missing.jpg")}},
            "sinks": [{"type": "discard", "layout": "composite"}],
        }
    )
    with pytest.raises(ConfigError, match=r"compose\.background\.path: .*missing\.jpg"):
        Pipeline.from_config(config)
