"""Sinks that show the same share pictures: each is drawn once, and stays whole while one has it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streamer import Pipeline
from streamer.compositing import Composer, SharedPictures, SinkComposer
from streamer.config import LayoutConfig, Settings, parse_config
from streamer.core.metrics import LatencyHistogram
from streamer.frame import Frame, Matte
from tests.conftest import MakeModel
from tests.unit.compositing.scene import noise, settings_with, subject
from tests.unit.sinks.scene import shot

SIDE_BY_SIDE = LayoutConfig()


class Clock:
    """Stands for the video of a background: which times it was asked for."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.closed = False

    def __call__(self, pts_s: float) -> np.ndarray:
        self.asked.append(pts_s)
        return np.full((48, 64, 3), len(self.asked), np.uint8)

    def close(self) -> None:
        self.closed = True


class Counted(LatencyHistogram):
    def __init__(self) -> None:
        super().__init__()
        self.pictures = 0

    def record(self, duration_ns: int) -> None:
        self.pictures += 1
        super().record(duration_ns)


class Sinks:
    """Two composers that share; what they draw is counted."""

    def __init__(self, settings: Settings | None = None, layout=SIDE_BY_SIDE) -> None:
        self.drawn = Counted()
        self.videos: list[Clock] = []
        self.shared = SharedPictures()
        self.settings, self.layout = settings or settings_with(), layout
        self.first, self.second = self.make(), self.make()

    def make(self, layout: LayoutConfig | None = None) -> SinkComposer:
        def open_video(_: str) -> Clock:
            self.videos.append(Clock())
            return self.videos[-1]

        return self.shared.composer(
            layout or self.layout,
            self.settings,
            pixels="bgr",
            latency=self.drawn,
            open_video=open_video,
        )

    @property
    def count(self) -> int:
        return self.drawn.pictures


def frame(index: int, width: int = 64, height: int = 48) -> tuple[Frame, Matte]:
    """One that is like no other."""
    image, alpha = noise(width, height, seed=index), subject(width, height)
    return shot(index, image=image, alpha=alpha)


def alone(index: int) -> np.ndarray:
    return Composer(SIDE_BY_SIDE, settings_with()).picture_of(*frame(index)).copy()


def test_a_picture_is_drawn_once_for_both() -> None:
    sinks = Sinks()
    for index in range(20):
        pictures = [sink.picture_of(*frame(index)) for sink in (sinks.first, sinks.second)]
        for picture in pictures:
            np.testing.assert_array_equal(picture, alone(index))
    assert sinks.count == 20


def test_a_picture_stays_as_it_is_while_a_sink_has_it_and_others_go_on() -> None:
    sinks = Sinks()
    held = sinks.second.picture_of(*frame(0))
    for index in range(8):
        sinks.first.picture_of(*frame(index))
    np.testing.assert_array_equal(held, alone(0))
    np.testing.assert_array_equal(sinks.second.picture_of(*frame(7)), alone(7))
    assert sinks.count == 8


def test_no_sink_can_write_on_what_another_has() -> None:
    sinks = Sinks()
    picture = sinks.first.picture_of(*frame(0))
    with pytest.raises(ValueError, match="read-only"):
        picture[0, 0] = 1


def test_a_sink_that_lags_gets_its_own_pictures_and_rewinds_no_video(
    tmp_path: Path,
) -> None:
    (tmp_path / "waves.mp4").touch()
    background = {"type": "video", "path": str(tmp_path / "waves.mp4")}
    layout = LayoutConfig(layout="composite")
    sinks = Sinks(settings_with(background=background), layout)
    for index in range(10):
        sinks.first.picture_of(*frame(index))
        if index >= 5:
            sinks.second.picture_of(*frame(index - 5))
    assert sinks.count == 15
    (video,) = sinks.videos
    assert video.asked == sorted(video.asked)
    sinks.first.close()
    assert not video.closed
    sinks.second.close()
    assert video.closed


def test_what_differs_in_its_layout_is_not_shared() -> None:
    sinks = Sinks()
    labelled = sinks.make(LayoutConfig(labels=True))
    assert (labelled.picture_of(*frame(0)) != sinks.first.picture_of(*frame(0))).any()
    assert sinks.count == 2


def test_one_that_comes_later_goes_on_with_the_same_video(tmp_path: Path) -> None:
    (tmp_path / "waves.mp4").touch()
    background = {"type": "video", "path": str(tmp_path / "waves.mp4")}
    sinks = Sinks(settings_with(background=background), LayoutConfig(layout="composite"))
    for index in range(3):
        sinks.first.picture_of(*frame(index))
    for index in range(3, 6):
        first, second = sinks.second, sinks.first
        np.testing.assert_array_equal(*(s.picture_of(*frame(index)) for s in (first, second)))
    assert len(sinks.videos) == 1


def test_frames_may_change_their_size() -> None:
    sinks = Sinks()
    for index, (width, height) in enumerate([(64, 48), (64, 48), (32, 24), (32, 24), (64, 48)]):
        shown = frame(index, width, height)
        expected = Composer(SIDE_BY_SIDE, settings_with()).picture_of(*shown)
        for sink in (sinks.first, sinks.second):
            np.testing.assert_array_equal(sink.picture_of(*shown), expected)


def test_one_that_is_left_alone_draws_on_the_same_memory_again() -> None:
    sinks = Sinks()
    sinks.first.picture_of(*frame(0))
    sinks.second.close()
    pictures = [sinks.first.picture_of(*frame(index)) for index in (1, 2, 3)]
    np.testing.assert_array_equal(pictures[2], alone(3))
    assert np.shares_memory(pictures[1], pictures[2])
    later = sinks.make()
    np.testing.assert_array_equal(later.picture_of(*frame(3)), alone(3))


def test_one_that_is_closed_draws_no_more() -> None:
    sinks = Sinks()
    sinks.second.close()
    sinks.second.close()
    with pytest.raises(ValueError, match="closed"):
        sinks.second.picture_of(*frame(0))
    np.testing.assert_array_equal(sinks.first.picture_of(*frame(0)), alone(0))


def test_sinks_in_threads_of_their_own_get_whole_pictures() -> None:
    sinks = Sinks()
    frames = [frame(index) for index in range(60)]
    expected = [alone(index) for index in range(60)]
    wrong: list[int] = []

    def write(sink: SinkComposer, step: int) -> None:
        for index in range(0, 60, step):
            picture = sink.picture_of(*frames[index])
            if not np.array_equal(picture, expected[index]):
                wrong.append(index)

    threads = [
        threading.Thread(target=write, args=(sink, step))
        for sink, step in ((sinks.first, 1), (sinks.second, 1), (sinks.make(), 3))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert 60 <= sinks.count <= 140


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [picture.to_ndarray(format="bgr24") for picture in container.decode(video=0)]


def test_two_recordings_of_one_layout_compose_each_frame_once(
    make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[float] = []
    compose = Composer.compose

    def counted(self: Composer, *args: Any, pts_s: float, **options: Any) -> np.ndarray:
        drawn.append(pts_s)
        return compose(self, *args, pts_s=pts_s, **options)

    monkeypatch.setattr(Composer, "compose", counted)
    names = ("one.mkv", "two.mkv")
    config = {
        "source": {"type": "synthetic", "width": 64, "height": 48, "frames": 30},
        "model": {"name": str(make_model("one.onnx", size=32)), "providers": ["cpu"]},
        "pipeline": {"sink_queue": 1},
        "sinks": [
            {"type": "record", "path": str(tmp_path / name), "codec": "ffv1"} for name in names
        ],
    }
    report = Pipeline.from_config(parse_config(config)).run()
    assert report["frames"]["emitted"] == 30
    # One that was held up for several frames has had them drawn again.
    assert 30 <= len(drawn) < 60
    first, second = (decoded(tmp_path / name) for name in names)
    np.testing.assert_array_equal(first, second)
    assert len(first) == 30
