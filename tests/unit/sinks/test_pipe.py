from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streamer.compositing import Composer
from streamer.config import ComposeConfig, Settings
from streamer.errors import SinkError, StopRequested
from streamer.protocols import ProgressingSink
from streamer.sinks import PipeSink
from streamer.sinks.pipe_end import PipeEnd
from tests.conftest import MakeModel
from tests.memory import allocating
from tests.peers import ffmpeg
from tests.unit.sinks.scene import BLUE, GREEN, GREY, RED, shot, stream_info

REPOSITORY = Path(__file__).parents[3]
_FROM_BT709 = ("-vf", "scale=in_color_matrix=bt709")
"""Y4M cannot say it."""


class Reader:
    """A named pipe, and its reading end, which takes what is written into its large buffer."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(self.handle, fcntl.F_SETPIPE_SZ, 1 << 20)

    def read(self) -> bytes:
        return os.read(self.handle, 1 << 20)

    def close(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)
        self.handle = -1


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path / "pipe")
    yield made
    made.close()


def sink_into(
    path: Path | str, layout: str, form: str, pixels: str = "bgr", wait_s: float = 1.0
) -> PipeSink:
    settings = Settings(compose=ComposeConfig(cutout="rgba"))
    return PipeSink(PipeEnd(str(path), wait_s), Composer(layout, settings, pixels=pixels), form)


def piped(reader: Reader, shots: list, *arguments: str) -> bytes:
    sink = sink_into(reader.path, *arguments)
    sink.prepare()
    sink.open(stream_info())
    for frame, matte in shots:
        sink.write(frame, matte)
    sink.close()
    content = reader.read()
    assert sink.statistics()["bytes"] == len(content)
    assert sink.statistics()["frames"] == len(shots)
    return content


def test_bgr_is_row_after_row_without_anything_between(reader: Reader):
    content = piped(reader, [shot(n) for n in range(3)], "source", "bgr")
    pictures = np.frombuffer(content, np.uint8).reshape(3, 48, 64, 3)
    assert (pictures[:, :, :32] == RED).all()
    assert (pictures[:, :, 32:] == GREEN).all()


def test_rgba_has_red_first_and_straight_alpha(reader: Reader):
    frame, matte = shot()
    matte.alpha[:, 40:48] = 100
    content = piped(reader, [(frame, matte)], "cutout", "rgba", "bgra")
    picture = np.frombuffer(content, np.uint8).reshape(48, 64, 4)
    assert (picture[:, :32] == (255, 0, 0, 255)).all()
    assert (picture[:, 40:48] == (0, 255, 0, 100)).all()
    assert not picture[:, 48:].any()


def test_gray_is_one_byte_a_pixel(reader: Reader):
    alpha = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    content = piped(reader, [shot(alpha=alpha)], "alpha", "gray", "gray")
    assert np.array_equal(np.frombuffer(content, np.uint8).reshape(48, 64), alpha)


def test_y4m_says_its_size_rate_and_range_and_is_bt709(reader: Reader, tmp_path: Path):
    image = np.empty((46, 66, 3), np.uint8)
    quarters = [(y, x) for y in (0, 23) for x in (0, 33)]
    colours = dict(zip(quarters, (RED, GREEN, BLUE, GREY), strict=True))
    for (y, x), colour in colours.items():
        image[y : y + 23, x : x + 33] = colour
    content = piped(reader, [shot(n, image=image) for n in range(3)], "source", "y4m")
    header, _, rest = content.partition(b"\n")
    assert header == b"YUV4MPEG2 W66 H46 F30:1 Ip A1:1 C420jpeg XCOLORRANGE=LIMITED"
    assert len(rest) == 3 * (6 + 66 * 46 * 3 // 2)
    (tmp_path / "a.y4m").write_bytes(content)
    read = ffmpeg.run(
        "ffmpeg",
        *("-i", str(tmp_path / "a.y4m"), *_FROM_BT709),
        *("-f", "rawvideo", "-pix_fmt", "bgr24", "-"),
    )
    pictures = np.frombuffer(read, np.uint8).reshape(3, 46, 66, 3)
    for (y, x), colour in colours.items():
        patch = pictures[:, y + 4 : y + 19, x + 4 : x + 29].astype(int)
        assert np.abs(patch - colour).max() <= 3


def test_y4m_of_an_odd_size_gets_a_black_column_and_row(reader: Reader):
    image = np.full((47, 63, 3), 255, np.uint8)
    content = piped(reader, [shot(image=image)], "source", "y4m")
    assert content.startswith(b"YUV4MPEG2 W64 H48 ")
    luma = np.frombuffer(content.partition(b"FRAME\n")[2], np.uint8)[: 64 * 48].reshape(48, 64)
    assert (luma[:47, :63] == 235).all()
    assert (luma[47] == 16).all()
    assert (luma[:, 63] == 16).all()


def test_a_source_without_a_rate_is_said_to_have_25(reader: Reader):
    sink = sink_into(reader.path, "source", "y4m")
    sink.open(stream_info(fps=None))
    sink.write(*shot())
    sink.close()
    assert b" F25:1 " in reader.read()


@pytest.mark.parametrize(("form", "count"), [("bgr", 3), ("y4m", 1.5)])
def test_another_size_is_scaled_into_the_first(reader: Reader, form: str, count: float):
    tall = shot(1, image=np.full((96, 48, 3), 200, np.uint8), epoch=1)
    content = piped(reader, [shot(0), tall, shot(2, epoch=2)], "source", form)
    size = 64 * 48 * count
    if form == "bgr":
        _, fitted, _ = np.frombuffer(content, np.uint8).reshape(3, 48, 64, 3)
        assert (fitted[:, 22:42] == 200).all()
        assert not fitted[:, :19].any()
        assert not fitted[:, 45:].any()
    else:
        assert len(content.partition(b"\n")[2]) == 3 * (6 + size)


class FakeEnd:
    """Takes everything, and as long for it as it is told to."""

    name = "fake"

    def __init__(self, clock: Waiting | None = None, takes_s: float = 0.0) -> None:
        self.progress_ns = 0
        self.written: list[bytes] = []
        self._clock, self._takes_s = clock, takes_s

    def check(self) -> None: ...

    def open(self) -> None: ...

    def write(self, data: memoryview) -> None:
        if data:
            self.written.append(bytes(data))
        if self._clock is not None:
            self._clock.seconds += self._takes_s

    def close(self) -> None: ...


def seen(pts: list[int], *, mode: str = "cfr", live: bool = False, form: str = "bgr") -> list[int]:
    """What is piped of pictures at *pts*, in 30ths of a second: the number of each."""
    end = FakeEnd()
    sink = PipeSink(end, Composer("source"), form, mode)
    sink.open(replace(stream_info(), live=live))
    for number, at in enumerate(pts):
        sink.write(*shot(number, at, image=np.full((2, 2, 3), 16 + number, np.uint8)))
    sink.close()
    said = sink.statistics()
    assert said["frames"] + said["repeated"] == len(end.written)
    assert said["frames"] + said["left_out"] == len(pts)
    return [picture[0] - 16 for picture in end.written]


def test_pictures_are_repeated_where_the_source_has_none():
    assert seen([0, 1, 4, 5, 10]) == [0, 1, 1, 1, 2, 3, 3, 3, 3, 3, 4]


def test_pictures_that_come_too_fast_are_left_out():
    fine = [shot(n, n, time_base=Fraction(1, 90)) for n in range(9)]
    end = FakeEnd()
    sink = PipeSink(end, Composer("source"), "bgr")
    sink.open(stream_info())
    for frame, matte in fine:
        sink.write(frame, matte)
    assert len(end.written) == 3 + 1
    assert sink.statistics()["left_out"] == 5


def test_20_seconds_with_drops_stay_20_seconds():
    kept = [n for n in range(600) if n % 7 in (0, 3) or n == 599]
    assert len(seen(kept, live=True)) == 600


def test_y4m_is_at_its_rate_too():
    end = FakeEnd()
    sink = PipeSink(end, Composer("source"), "y4m")
    sink.open(stream_info())
    for number, at in enumerate((0, 1, 30)):
        sink.write(*shot(number, at))
    header, *pictures = end.written
    assert b" F30:1 " in header
    assert len(pictures) == 31
    assert len(set(pictures[1:30])) == 1


def test_each_picture_once_where_that_is_wanted():
    assert seen([0, 1, 4, 4, 100], mode="passthrough") == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("live", "longest"), [(False, 60 * 30), (True, 10 * 30)])
def test_a_long_gap_does_not_flood_the_reader(
    caplog: pytest.LogCaptureFixture, live: bool, longest: int
):
    assert len(seen([0, 3600 * 30, 3600 * 30 + 1], live=live)) == 1 + longest + 1
    assert f"fake: a gap in the pictures is cut to {longest // 30} s" in caplog.text


def test_a_reader_slower_than_a_live_stream_is_not_left_farther_behind_each_time(
    caplog: pytest.LogCaptureFixture,
):
    clock = Waiting()
    end = FakeEnd(clock, takes_s=1 / 15)
    sink = PipeSink(end, Composer("source"), "bgr", clock=clock)
    sink.open(replace(stream_info(), live=True))
    for number in range(20):
        sink.write(*shot(number, 30 * number))
    # Of 30 pictures a second it takes 15.
    assert 19 * 15 <= len(end.written) <= 19 * 18
    assert clock.seconds < 19 * 1.25
    assert caplog.text.count("fake: its reader is slower than the stream") == 1


def test_a_slow_reader_of_a_file_gets_every_picture():
    clock = Waiting()
    end = FakeEnd(clock, takes_s=1)
    sink = PipeSink(end, Composer("source"), "bgr", clock=clock)
    sink.open(stream_info())
    for number in range(3):
        sink.write(*shot(number, 30 * number))
    assert len(end.written) == 61


@pytest.mark.parametrize("fps", [None, Fraction(1000)])
def test_a_source_without_a_rate_is_told(caplog: pytest.LogCaptureFixture, fps: Fraction | None):
    caplog.set_level("INFO")
    end = FakeEnd()
    sink = PipeSink(end, Composer("source"), "bgr")
    sink.open(stream_info(fps=fps))
    for number in range(31):
        sink.write(*shot(number))
    assert len(end.written) == 26
    assert "fake: the source names no rate: pictures are written as 25 a second" in caplog.text


def test_it_says_when_it_got_on(reader: Reader):
    sink = sink_into(reader.path, "source", "bgr")
    assert isinstance(sink, ProgressingSink)
    assert sink.progress_ns == 0
    sink.open(stream_info())
    sink.write(*shot(0))
    assert 0 < sink.progress_ns <= time.monotonic_ns()
    sink.close()


def test_only_the_first_frames_allocate(reader: Reader):
    shots = [shot(n, width=160, height=120) for n in range(12)]
    sink = sink_into(reader.path, "source", "y4m")
    sink.open(stream_info())
    for frame, matte in shots[:3]:
        sink.write(frame, matte)
    with allocating() as growth:
        for frame, matte in shots[3:]:
            sink.write(frame, matte)
    sink.close()
    assert growth.peak < 10_000


def test_a_reader_that_goes_away_ends_the_stream_like_a_closed_window(reader: Reader):
    sink = sink_into(reader.path, "source", "bgr")
    sink.open(stream_info())
    sink.write(*shot(0))
    reader.close()
    with pytest.raises(StopRequested):
        sink.write(*shot(1))
    sink.close()


def test_a_reader_that_takes_nothing_is_named_and_does_not_hold_up_the_end(reader: Reader):
    fcntl.fcntl(reader.handle, fcntl.F_SETPIPE_SZ, 4096)
    sink = sink_into(reader.path, "source", "bgr", wait_s=0.05)
    sink.open(stream_info())
    with pytest.raises(SinkError, match=r"its reader has taken nothing for 0\.05 s: set a longer"):
        sink.write(*shot(0))
    sink.close()


def test_a_slow_reader_gets_every_byte(reader: Reader):
    fcntl.fcntl(reader.handle, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(reader.handle, True)
    content = bytearray()

    def read() -> None:
        while part := os.read(reader.handle, 1000):
            content.extend(part)

    sink = sink_into(reader.path, "source", "bgr", wait_s=10)
    sink.open(stream_info())
    thread = threading.Thread(target=read)
    thread.start()
    for index in range(5):
        sink.write(*shot(index))
    sink.close()
    thread.join(10)
    assert len(content) == 5 * 64 * 48 * 3


class Waiting:
    """A clock that moves by what is waited for; at a given time a reader comes."""

    def __init__(self, at_s: float | None = None, come: object = None) -> None:
        self.seconds = 0.0
        self._at_s = at_s
        self._come = come

    def now_ns(self) -> int:
        return int(self.seconds * 1e9)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.seconds += timeout_s
        if self._at_s is not None and self.seconds >= self._at_s:
            self._at_s = None
            self._come()
        return False


def test_a_named_pipe_is_opened_as_soon_as_it_has_a_reader(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    readers = []
    clock = Waiting(3, lambda: readers.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK)))
    end = PipeEnd(str(path), 5, clock)
    end.open()
    assert 3 <= clock.seconds < 3.1
    end.write(memoryview(b"here"))
    end.close()
    assert os.read(readers[0], 10) == b"here"
    os.close(readers[0])


def test_a_named_pipe_without_a_reader_is_given_up_in_time(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    clock = Waiting()
    end = PipeEnd(str(path), 5, clock)
    with pytest.raises(SinkError, match="nobody has opened it to read for 5 s: start the reader"):
        end.open()
    end.close()
    assert 5 <= clock.seconds < 5.1


def test_what_is_no_pipe_is_refused_before_the_source_is_opened(tmp_path: Path):
    file = tmp_path / "a.raw"
    file.write_bytes(b"mine")
    with pytest.raises(SinkError, match=r"a\.raw: is no named pipe: make one with mkfifo"):
        sink_into(file, "source", "bgr").prepare()
    assert file.read_bytes() == b"mine"
    with pytest.raises(SinkError, match="gone: no such pipe: make it with mkfifo"):
        sink_into(tmp_path / "gone", "source", "bgr").prepare()


needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


class Run:
    """`streamer run` of a synthetic source with a pipe to stdout, in an empty folder."""

    def __init__(self, folder: Path, model: Path) -> None:
        self._folder = folder
        self._model = model

    def start(
        self, *more: dict, frames: int = 30, stdout: int = subprocess.PIPE, **sink: object
    ) -> subprocess.Popen:
        config = {
            "source": {"type": "synthetic", "width": 96, "height": 64, "frames": frames},
            "model": {"name": str(self._model), "providers": ["cpu"], "contract": {}},
            "compose": {"cutout": sink.pop("cutout", "rgb_on_black")},
            "sinks": [{"type": "pipe", **sink}, *more],
        }
        file = self._folder / "config.yaml"  # YAML holds JSON
        file.write_text(json.dumps(config), encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "-m", "streamer", "run", str(file), "--report", "report.json"],
            cwd=self._folder,
            env=os.environ | {"HOME": str(self._folder), "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )


@pytest.fixture
def run(tmp_path: Path, make_model: MakeModel) -> Run:
    return Run(tmp_path, make_model())


@needs_ffmpeg
@pytest.mark.parametrize(
    ("form", "told", "within"),
    [
        ("rgba", ["-f", "rawvideo", "-pix_fmt", "rgba", "-s", "96x64", "-r", "30"], 0),
        ("y4m", ["-f", "yuv4mpegpipe"], 4),  # half the colours of a picture full of noise
    ],
)
def test_ffmpeg_reads_every_picture_of_a_run_and_nothing_else(
    run: Run, tmp_path: Path, form: str, told: list[str], within: float
):
    cutout = "rgba" if form == "rgba" else "rgb_on_black"
    also = {"type": "record", "path": "a.mkv", "layout": "cutout"}  # lossless, to compare with
    as_rgba = ["-f", "rawvideo", "-pix_fmt", "rgba", "-"]
    with run.start(also, layout="cutout", format=form, cutout=cutout) as running:
        read = subprocess.run(
            ["ffmpeg", "-v", "error", *told, "-i", "-", *_FROM_BT709, *as_rgba],
            stdin=running.stdout,
            capture_output=True,
            check=True,
        )
        assert running.stdout is not None
        running.stdout.close()
        said = running.stderr.read().decode()
        assert running.wait(30) == 0, said
    assert read.stderr == b""
    assert "30 of 30 captured" in said
    recorded = ffmpeg.run("ffmpeg", "-i", str(tmp_path / "a.mkv"), *as_rgba)
    one, other = (
        np.frombuffer(raw, np.uint8).reshape(30, 64, 96, 4) for raw in (read.stdout, recorded)
    )
    assert np.abs(one.astype(int) - other).mean() <= within


def test_a_reader_that_has_enough_ends_the_run_without_a_complaint(run: Run, tmp_path: Path):
    with run.start(frames=100_000, layout="source", format="bgr") as running:
        assert running.stdout is not None
        first = running.stdout.read(18432)
        running.stdout.close()
        said = running.stderr.read().decode()
        assert running.wait(30) == 0, said
    assert len(first) == 96 * 64 * 3
    assert "error" not in said
    assert "Traceback" not in said
    assert json.loads((tmp_path / "report.json").read_text())["error"] is None


def test_a_terminal_is_refused(run: Run):
    master, terminal = os.openpty()
    with run.start(layout="source", stdout=terminal) as running:
        said = running.stderr.read().decode()
        assert running.wait(30) == 5, said
    os.close(terminal)
    os.set_blocking(master, False)
    with pytest.raises(OSError, match="Input/output error"):
        os.read(master, 1000)  # nothing was written, and nobody has it open
    os.close(master)
    assert "stdout: is a terminal: pipe it to a program, such as | ffplay" in said


def test_a_signal_ends_a_run_whose_reader_takes_nothing(run: Run, tmp_path: Path):
    with run.start(frames=100_000, layout="source", wait_s=0.3) as running:
        assert running.stdout is not None
        running.stdout.read(1)
        running.send_signal(signal.SIGINT)
        said = running.stderr.read().decode()
        assert running.wait(30) in (0, 5), said
    assert "Traceback" not in said
    assert json.loads((tmp_path / "report.json").read_text())["frames"]["captured"] > 0
