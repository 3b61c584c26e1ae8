"""A video as a background: on the stream's time, over and over, never for long."""

from __future__ import annotations

import logging
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.core.clock import SystemClock
from streamer.errors import SourceNotFound, SourceUnsupported
from streamer.sources.looped import LoopedVideo
from tests.memory import allocating
from tests.unit.sources.clips import encode
from tests.unit.sources.decoding.picturing import film, plain


class SteppedClock(SystemClock):
    """Every look at it takes so many milliseconds."""

    def __init__(self, step_ms: int = 0) -> None:
        self.step_ms = step_ms
        self._now_ns = 0

    def now_ns(self) -> int:
        self._now_ns += self.step_ms * 1_000_000
        return self._now_ns


def number(picture: np.ndarray) -> int:
    """Which frame of the clip it is: frame n is filled with luma 16 + 4n."""
    return round(float(picture.mean()) * 219 / 255 / 4)


def open_files(path: Path) -> int:
    """How many times this process has *path* open."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("no /proc here to count open files by")
    links = []
    for entry in folder.iterdir():
        try:
            links.append(entry.readlink())
        except OSError:
            continue
    return links.count(path)


@pytest.fixture
def waves(tmp_path: Path) -> Path:
    """Ten frames at 25 a second."""
    return encode(tmp_path / "waves.mp4", frames=10)


def test_each_picture_is_held_until_the_next_is_due(waves) -> None:
    video = LoopedVideo(str(waves), clock=SteppedClock())
    times_s = [0.0, 0.01, 0.03, 0.04, 0.05, 0.08, 0.119, 0.12, 0.2]
    assert [number(video(at_s)) for at_s in times_s] == [0, 0, 0, 1, 1, 2, 3, 3, 5]
    video.close()


def test_a_stream_of_another_rate_sees_the_video_at_its_own_pace(waves) -> None:
    slow, fast = (LoopedVideo(str(waves), clock=SteppedClock()) for _ in range(2))
    # At 12.5 a second every second picture is passed by, at 50 each is seen twice.
    assert [number(slow(n / 12.5)) for n in range(5)] == [0, 2, 4, 6, 8]
    assert [number(fast(n / 50)) for n in range(8)] == [0, 0, 1, 1, 2, 2, 3, 3]
    slow.close()
    fast.close()


def test_it_begins_with_the_first_picture_that_is_asked_for(waves) -> None:
    video = LoopedVideo(str(waves), clock=SteppedClock())
    assert [number(video(1000 + n / 25)) for n in range(4)] == [0, 1, 2, 3]
    video.close()


def test_it_goes_on_for_ever(waves) -> None:
    video = LoopedVideo(str(waves), clock=SteppedClock())
    assert [number(video(n / 25)) for n in range(35)] == [n % 10 for n in range(35)]
    video.close()


def test_the_same_time_again_gives_the_same_picture(waves) -> None:
    video = LoopedVideo(str(waves), clock=SteppedClock())
    video(0.0)
    assert [number(video(0.12)) for _ in range(3)] == [3, 3, 3]
    video.close()


def test_what_cannot_be_decoded_in_time_makes_the_video_late_and_no_call_long(waves) -> None:
    clock = SteppedClock()
    video = LoopedVideo(str(waves), clock=clock)
    video(0.0)
    clock.step_ms = 15  # so that three pictures are decoded in the time that a call may take
    shown = [number(video(100.0 + n / 25)) for n in range(4)]
    assert shown[0] <= 3, "no call goes through a hundred seconds of video"
    clock.step_ms = 0
    after = [number(video(101.0 + n / 25)) for n in range(3)]
    assert after == [(after[0] + n) % 10 for n in range(3)], "then on at its pace"
    video.close()


def test_a_file_that_goes_bad_stands_still_and_says_so_once(waves, caplog) -> None:
    video = LoopedVideo(str(waves), clock=SteppedClock())
    assert number(video(0.0)) == 0
    waves.unlink()  # it is open; the next round is not
    with caplog.at_level(logging.WARNING, "streamer"):
        shown = [number(video(n / 25)) for n in range(1, 30)]
    assert shown == [*range(1, 10), *[9] * 20]
    (record,) = caplog.records
    assert "waves.mp4" in record.getMessage()
    video.close()


def test_the_file_is_open_only_from_the_first_picture_until_it_is_closed(waves) -> None:
    video = LoopedVideo(str(waves))
    assert open_files(waves) == 0
    for n in range(25):
        video(n / 25)
    assert open_files(waves) == 1
    video.close()
    assert open_files(waves) == 0
    video.close()
    assert number(video(5.0)) >= 0, "the picture stays"
    assert open_files(waves) == 0


def test_the_picture_is_upright_and_of_the_videos_own_size(waves) -> None:
    video = LoopedVideo(str(waves))
    assert video(0.0).shape == (48, 64, 3)
    video.close()


def test_what_is_no_video_is_refused_at_once(tmp_path) -> None:
    with pytest.raises(SourceNotFound, match=r"waves\.mp4: no such file"):
        LoopedVideo(str(tmp_path / "waves.mp4"))
    (tmp_path / "notes.mp4").write_text("no video")
    with pytest.raises(SourceUnsupported, match=r"notes\.mp4"):
        LoopedVideo(str(tmp_path / "notes.mp4"))


def test_nothing_of_a_pictures_size_is_allocated_for_each(tmp_path) -> None:
    path = encode(tmp_path / "large.mp4", frames=20, size=(640, 360))
    video = LoopedVideo(str(path), clock=SteppedClock())
    for n in range(5):
        video(n / 25)
    with allocating() as growth:
        for n in range(5, 15):
            video(n / 25)
    video.close()
    assert growth.peak < 640 * 360


def test_a_background_is_shown_as_a_source_would_be(tmp_path, caplog) -> None:
    frames = (plain((64, 48), (81, 90, 240)) for _ in range(3))
    options = {"x264-params": "colormatrix=YCgCo"}
    path = film(tmp_path / "wide.mp4", frames, aspect=Fraction(4, 3), options=options)
    video = LoopedVideo(str(path), clock=SteppedClock())
    picture = video(0.0)
    assert picture.shape == (48, 86, 3)
    assert (np.abs(picture.astype(int) - (0, 0, 255)) <= 4).all()
    assert caplog.text.count("they are read as BT.601") == 1
    video.close()


def test_a_transparent_background_is_over_black(tmp_path) -> None:
    hidden = np.full((48, 64, 4), (0, 255, 0, 0), np.uint8)
    frames = (av.VideoFrame.from_ndarray(hidden, format="bgra") for _ in range(3))
    video = LoopedVideo(str(film(tmp_path / "clear.mov", frames, "png", layout="rgba")))
    assert video(0.0).max() == 0
    video.close()


def test_a_picture_that_changes_its_size_is_shown_in_each(tmp_path) -> None:
    sizes = [(64, 48), (96, 64)]
    parts = [
        film(tmp_path / f"{size[0]}.ts", [plain(size, (80, 128, 128)) for _ in range(3)])
        for size in sizes
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    video = LoopedVideo(str(joined), clock=SteppedClock())
    shapes = [video(number / 25).shape for number in range(18)]
    video.close()
    runs = [shape for shape, _ in groupby(shapes)]
    assert runs[:3] == [(48, 64, 3), (64, 96, 3), (48, 64, 3)]  # the second round, too
