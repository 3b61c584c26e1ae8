"""Every kind of video file, read back by another program."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from streamer.compositing import Composer
from streamer.config import ComposeConfig, Settings
from streamer.errors import SinkError
from streamer.sinks import RecordSink
from tests.peers import ffmpeg
from tests.unit.sinks.scene import BLUE, GREEN, GREY, RED, shot, stream_info

WIDTH, HEIGHT = 96, 64
HOST = Path(__file__).with_name("record_host.py")
MOV_PNG = ("a.mov", "png")


def cutouts(pixels: str = "bgra") -> Composer:
    settings = Settings(compose=ComposeConfig(cutout="rgba"))
    return Composer("cutout" if pixels == "bgra" else "source", settings, pixels=pixels)


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Above, one colour under a soft ramp of alpha; below, four opaque colours."""
    image = np.full((HEIGHT, WIDTH, 3), (40, 120, 200), np.uint8)
    alpha = np.empty((HEIGHT, WIDTH), np.uint8)
    alpha[:32] = np.linspace(0, 255, WIDTH).round()
    alpha[32:] = 255
    for place, colour in enumerate((RED, GREEN, BLUE, GREY)):
        image[32:, place * 24 : (place + 1) * 24] = colour
    return image, alpha


def record(path: Path, codec: str = "auto", *, frames: int = 4, pixels: str = "bgra") -> None:
    sink = RecordSink(path, cutouts(pixels), codec=codec)
    sink.open(stream_info())
    image, alpha = scene()
    for index in range(frames):
        sink.write(*shot(index, image=image, alpha=alpha))
    sink.close()


def as_recorded() -> np.ndarray:
    image, alpha = scene()
    return cutouts().compose(image, alpha).copy()


def by_ffmpeg(path: Path, decoder: str | None = None) -> np.ndarray:
    """The last picture as BGRA."""
    chosen = ["-c:v", decoder] if decoder else []
    read = ffmpeg.run("ffmpeg", *chosen, "-i", str(path), "-f", "rawvideo", "-pix_fmt", "bgra", "-")
    return np.frombuffer(read, np.uint8).reshape(-1, HEIGHT, WIDTH, 4)[-1]


def farthest(read: np.ndarray, truth: np.ndarray) -> int:
    return int(np.abs(read.astype(int) - truth).max())


def farthest_colour(read: np.ndarray, truth: np.ndarray) -> int:
    """Of what is at least faintly there, off the edges between colours."""
    inner = [np.s_[4:28, 16:-4], *(np.s_[36:-4, at + 6 : at + 18] for at in range(0, WIDTH, 24))]
    return max(farthest(read[part][..., :3], truth[part][..., :3]) for part in inner)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), MOV_PNG])
def test_a_lossless_file_holds_colours_and_alpha_exactly(tmp_path: Path, name: str, codec: str):
    record(tmp_path / name, codec)
    assert np.array_equal(by_ffmpeg(tmp_path / name), as_recorded())


def test_prores_holds_the_alpha_within_2_and_the_colours_within_4(tmp_path: Path):
    record(tmp_path / "a.mov")
    read = by_ffmpeg(tmp_path / "a.mov")
    assert farthest(read[..., 3], as_recorded()[..., 3]) <= 2
    assert farthest_colour(read, as_recorded()) <= 4


def test_prores_is_a_4444_that_editors_know(tmp_path: Path):
    record(tmp_path / "a.mov")
    (stream,) = probe(tmp_path / "a.mov", "stream=codec_tag_string,profile")["streams"]
    assert (stream["codec_tag_string"], stream["profile"]) == ("ap4h", "4444")
    kinds = atoms(tmp_path / "a.mov")
    assert "moov" in kinds
    assert "moof" not in kinds, "finished, it is no fragmented file any more"


def atoms(path: Path) -> list[str]:
    """The outermost ones of a MOV or MP4."""
    content, at, kinds = path.read_bytes(), 0, []
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        kinds.append(kind.decode())
        at += size
    return kinds


@pytest.mark.parametrize("name", ["a.webm", "a.mkv"])
def test_vp9_holds_the_alpha_within_2_and_the_colours_within_12(tmp_path: Path, name: str):
    record(tmp_path / name, "vp9")
    read = by_ffmpeg(tmp_path / name, "libvpx-vp9")
    assert farthest(read[..., 3], as_recorded()[..., 3]) <= 2
    assert farthest_colour(read, as_recorded()) <= 12
    assert ALPHA_MODE in (tmp_path / name).read_bytes(), "for browsers"


ALPHA_MODE = b"\x53\xc0\x81\x01"


def test_av1_takes_no_alpha(tmp_path: Path):
    sink = RecordSink(tmp_path / "a.webm", cutouts(), codec="av1")
    sink.open(stream_info())
    with pytest.raises(SinkError, match="libsvtav1 holds no alpha"):
        sink.write(*shot(0))
    sink.close()
    assert not (tmp_path / "a.webm").exists()


@pytest.mark.parametrize("codec", ["av1", "vp9", "h264"])
def test_the_best_quality_is_the_largest_file(tmp_path: Path, codec: str):
    sizes = []
    for crf in (0, 5, 40):
        path = tmp_path / f"{crf}.mkv"
        sink = RecordSink(path, cutouts("bgr"), codec=codec, crf=crf)
        sink.open(stream_info())
        noise = np.random.default_rng(0)
        for index in range(3):
            image = noise.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
            sink.write(*shot(index, image=image))
        sink.close()
        sizes.append(path.stat().st_size)
    assert sizes[0] > sizes[1] > sizes[2]


def write_hair(path: Path, crf: int | None) -> np.ndarray:
    """Record thin lines that move; the alphas as they should be."""
    sink = RecordSink(path, cutouts(), crf=crf)
    sink.open(stream_info())
    truth = []
    for index in range(8):
        alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
        for hair in range(60):
            tip = (
                round(48 + 44 * np.sin(hair * 1.7 + index * 0.05)),
                round(32 + 30 * np.cos(hair * 2.3 + index * 0.07)),
            )
            cv2.line(alpha, (48, 32), tip, 80 + hair * 2, 1, cv2.LINE_AA)
        sink.write(*shot(index, image=scene()[0], alpha=alpha))
        truth.append(alpha)
    sink.close()
    return np.stack(truth)


def record_hair(path: Path, crf: int | None) -> int:
    """Record it as VP9; the farthest that an alpha of any frame is off, of 255."""
    truth = write_hair(path, crf)
    read = ffmpeg.run(
        *("ffmpeg", "-c:v", "libvpx-vp9", "-i", str(path)),
        *("-f", "rawvideo", "-pix_fmt", "bgra", "-"),
    )
    alphas = np.frombuffer(read, np.uint8).reshape(-1, HEIGHT, WIDTH, 4)[..., 3]
    return farthest(alphas, truth)


def test_vp9_holds_the_alpha_of_moving_hair_unless_a_smaller_file_is_asked_for(tmp_path: Path):
    assert record_hair(tmp_path / "a.webm", None) <= 2
    assert record_hair(tmp_path / "b.webm", 20) > 8
    assert (tmp_path / "b.webm").stat().st_size < (tmp_path / "a.webm").stat().st_size


def test_an_animated_webp_holds_the_alpha_exactly_and_the_colours_within_12(tmp_path: Path):
    record(tmp_path / "a.webp")
    with Image.open(tmp_path / "a.webp") as film:
        assert film.n_frames == 1  # the same picture four times is shown once, for as long
    sink = RecordSink(tmp_path / "b.webp", cutouts())
    sink.open(stream_info())
    image, alpha = scene()
    for index, pts in enumerate((10, 13, 19, 22)):
        sink.write(*shot(index, pts, image=image, alpha=alpha))
        alpha[:4] = 0 if index % 2 else 255
    sink.close()
    with Image.open(tmp_path / "b.webp") as film:
        durations = []
        for number in range(film.n_frames):
            film.seek(number)
            film.load()
            durations.append(film.info["duration"])
            if number == 0:
                read = np.asarray(film.convert("RGBA"))[..., [2, 1, 0, 3]]
        assert film.info["loop"] == 0
    assert durations[:3] == [100, 200, 100]
    assert np.array_equal(read[..., 3], as_recorded()[..., 3])
    assert farthest_colour(read, as_recorded()) <= 12


def test_a_gif_shows_what_is_at_least_half_there_in_colours_within_16(tmp_path: Path):
    record(tmp_path / "a.gif", frames=2)
    read, truth = by_ffmpeg(tmp_path / "a.gif"), as_recorded()
    assert np.array_equal(read[..., 3], np.where(truth[..., 3] >= 128, 255, 0))
    shown = read[..., 3] == 255
    assert farthest(read[shown][:, :3], truth[shown][:, :3]) <= 16
    with Image.open(tmp_path / "a.gif") as film:
        assert film.info["loop"] == 0


@pytest.mark.parametrize(
    ("name", "codec", "found"),
    [
        ("a.mp4", "h264", "h264"),
        ("a.mov", "h264", "h264"),
        ("a.mkv", "h264", "h264"),
        ("a.mp4", "av1", "av1"),
        ("a.webm", "av1", "av1"),
        ("a.mkv", "av1", "av1"),
        ("a.webm", "auto", "vp9"),
        ("a.mov", "auto", "prores"),
        ("a.mkv", "prores4444", "prores"),
    ],
)
def test_opaque_pictures_have_their_colours_and_say_bt709(
    tmp_path: Path, name: str, codec: str, found: str
):
    record(tmp_path / name, codec, pixels="bgr")
    tags = "codec_name,color_range,color_space,color_primaries,color_transfer"
    (stream,) = probe(tmp_path / name, f"stream={tags}")["streams"]
    assert stream == {
        "codec_name": found,
        "color_range": "tv",
        "color_space": "bt709",
        "color_primaries": "bt709",
        "color_transfer": "bt709",
    }
    image, _ = scene()
    assert farthest_colour(by_ffmpeg(tmp_path / name), image) <= 12


@pytest.mark.parametrize(
    ("name", "codec", "expected"),
    [("a.mkv", "ffv1", {"color_range": "pc", "color_space": "gbr"}), (*MOV_PNG, {})],
)
def test_opaque_lossless_pictures_are_exact_and_say_rgb(
    tmp_path: Path, name: str, codec: str, expected: dict[str, str]
):
    record(tmp_path / name, codec, pixels="bgr")
    (stream,) = probe(tmp_path / name, "stream=color_range,color_space")["streams"]
    assert expected.items() <= stream.items()
    image, _ = scene()
    assert np.array_equal(by_ffmpeg(tmp_path / name)[..., :3], image)


@pytest.mark.parametrize(
    ("name", "codec", "within_s"),
    [
        ("a.mov", "prores4444", 2e-6),
        ("b.mov", "png", 2e-6),
        ("a.mkv", "ffv1", 0.00051),
        ("a.webm", "vp9", 0.00051),
        ("b.webm", "av1", 0.00051),
    ],
)
def test_it_begins_at_0_and_its_steps_are_the_sources(
    tmp_path: Path, name: str, codec: str, within_s: float
):
    pts = [900_000, 903_000, 903_180, 910_000, 955_000, 1_090_000, 1_090_500]
    sink = RecordSink(tmp_path / name, cutouts("bgr"), codec=codec)
    sink.open(stream_info(fps=None))
    for index, value in enumerate(pts):
        sink.write(*shot(index, value, time_base=Fraction(1, 90_000)))
    sink.close()
    read = probe(tmp_path / name, "frame=pts_time")["frames"]
    times = [float(frame["pts_time"]) for frame in read]
    assert times == pytest.approx([(value - pts[0]) / 90_000 for value in pts], abs=within_s)


def test_a_gifs_times_are_hundredths_from_its_first_frame_on(tmp_path: Path):
    sink = RecordSink(tmp_path / "a.gif", cutouts())
    sink.open(stream_info())
    for index, pts in enumerate((300, 303, 309, 312)):
        image = np.full((48, 64, 3), index * 60, np.uint8)
        sink.write(*shot(index, pts, image=image))
    sink.close()
    times = [float(f["pts_time"]) for f in probe(tmp_path / "a.gif", "frame=pts_time")["frames"]]
    assert times == pytest.approx([0, 0.1, 0.3, 0.4], abs=0.0051)


@pytest.mark.parametrize("fps", [60, 120, 1000])
def test_a_gif_leaves_out_what_comes_sooner_than_players_show_it(tmp_path: Path, fps: int):
    sink = RecordSink(tmp_path / "a.gif", cutouts())
    sink.open(stream_info(fps=Fraction(fps), time_base=Fraction(1, fps)))
    for index in range(fps):
        image = np.full((48, 64, 3), index % 250, np.uint8)
        sink.write(*shot(index, image=image, time_base=Fraction(1, fps)))
    sink.close()
    times = [float(f["pts_time"]) for f in probe(tmp_path / "a.gif", "frame=pts_time")["frames"]]
    assert np.diff(times).min() > 0.019
    with Image.open(tmp_path / "a.gif") as film:
        film.seek(film.n_frames - 1)
        assert film.info["duration"] >= 20, "the last one too"
    assert times[-1] > 0.95
    assert sink.statistics()["frames"] == len(times)


def test_av1_takes_any_rate_and_refuses_what_is_too_small_in_a_line(tmp_path: Path):
    sink = RecordSink(tmp_path / "a.webm", cutouts("bgr"), codec="av1")
    sink.open(stream_info(fps=Fraction(500), time_base=Fraction(1, 500)))
    for index in range(10):
        sink.write(*shot(index, time_base=Fraction(1, 500)))
    sink.close()
    assert len(probe(tmp_path / "a.webm", "frame=pts_time")["frames"]) == 10
    sink = RecordSink(tmp_path / "b.webm", cutouts("bgr"), codec="av1")
    sink.open(stream_info())
    with pytest.raises(SinkError, match=r"b.webm: .*wants pictures of 4x4 at least"):
        sink.write(*shot(image=np.zeros((1, 2, 3), np.uint8)))
    sink.close()


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mov", "prores4444"),
        ("a.mkv", "ffv1"),
        ("a.webm", "vp9"),
        ("a.webm", "av1"),
        ("a.gif", "gif"),
    ],
)
def test_a_killed_recording_plays_and_lacks_a_second_at_most(
    tmp_path: Path, script_environment: dict[str, str], name: str, codec: str
):
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed")
    path = tmp_path / name
    with subprocess.Popen(
        [sys.executable, str(HOST), str(path), "0", codec],
        stdout=subprocess.PIPE,
        text=True,
        env=script_environment,
    ) as host:
        assert host.stdout is not None
        written = 0
        for line in host.stdout:
            written = int(line)
            if written == 70:
                host.send_signal(signal.SIGKILL)
    assert written >= 70
    # It may complain of the end that is missing, but must read what is there.
    shown = subprocess.run(
        ["ffprobe", "-v", "quiet", "-of", "json", "-show_entries", "frame=pts_time", str(path)],
        check=True,
        capture_output=True,
    )
    assert written - len(json.loads(shown.stdout)["frames"]) <= 31


def write_noise(sink: RecordSink) -> None:
    noise = np.random.default_rng(0)
    for index in range(4000):
        sink.write(*shot(index, image=noise.integers(0, 256, (24, 32, 3), np.uint8)))


@pytest.mark.parametrize("name", ["a.mov", "a.mkv", "a.webm"])
def test_a_full_disk_ends_the_recording_and_what_was_written_plays(small_disk: Path, name: str):
    path = small_disk / name
    sink = RecordSink(path, cutouts("bgr"), crf=0)
    sink.open(stream_info(32, 24))
    with pytest.raises(SinkError, match="the disk is full: free some space"):
        write_noise(sink)
    sink.close()
    written = sink.statistics()["frames"]
    played = len(probe(path, "frame=pts_time")["frames"])
    assert 60 < played <= written
    assert written - played <= 31


def test_odd_sizes_are_kept_where_the_pixels_allow_it(tmp_path: Path):
    image = np.full((47, 63, 3), 255, np.uint8)
    sizes = {}
    for name in ("a.mkv", "a.mov", "a.webm", "a.gif"):
        sink = RecordSink(tmp_path / name, cutouts())
        sink.open(stream_info())
        sink.write(*shot(image=image, alpha=np.full((47, 63), 200, np.uint8)))
        sink.close()
        (stream,) = probe(tmp_path / name, "stream=width,height")["streams"]
        sizes[name] = (stream["width"], stream["height"])
    assert sizes == {"a.mkv": (63, 47), "a.mov": (64, 48), "a.webm": (64, 48), "a.gif": (63, 47)}


def test_a_picture_of_another_size_has_transparent_bars(tmp_path: Path):
    path = tmp_path / "a.mkv"
    sink = RecordSink(path, cutouts())
    sink.open(stream_info())
    opaque = np.full((HEIGHT, WIDTH), 255, np.uint8)
    sink.write(*shot(0, image=np.full((HEIGHT, WIDTH, 3), 90, np.uint8), alpha=opaque))
    tall = np.full((128, 64, 3), 200, np.uint8)
    sink.write(*shot(1, image=tall, alpha=np.full((128, 64), 255, np.uint8), epoch=1))
    sink.close()
    read = by_ffmpeg(path)
    assert (read[:, 36:60] == (200, 200, 200, 255)).all()
    assert not read[:, :30].any()
    assert not read[:, 66:].any()


def test_a_codec_that_does_not_go_into_the_file_is_refused_with_what_does(tmp_path: Path):
    with pytest.raises(ValueError, match=r"vp9 does not go into \.mp4, .* \.webm or \.mkv$"):
        RecordSink(tmp_path / "a.mp4", cutouts(), codec="vp9")
    with pytest.raises(ValueError, match=r"path: \.avi is no video file: use one of \.mp4 "):
        RecordSink(tmp_path / "a.avi", cutouts())
    assert list(tmp_path.iterdir()) == []


def test_an_alpha_is_never_dropped_by_a_codec_that_holds_none(tmp_path: Path):
    sink = RecordSink(tmp_path / "a.mp4", cutouts())
    sink.open(stream_info())
    with pytest.raises(SinkError, match="holds no alpha"):
        sink.write(*shot())
    sink.close()
    assert list(tmp_path.iterdir()) == []


def probe(path: Path, entries: str) -> dict:
    return json.loads(ffmpeg.run("ffprobe", "-of", "json", "-show_entries", entries, str(path)))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes of this kind")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_recording_goes_into_a_named_pipe(tmp_path: Path, suffix: str):
    path = tmp_path / f"pipe{suffix}"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    try:
        sink = RecordSink(path, Composer("source"), overwrite=True)
        sink.open(stream_info())
        for index in range(3):
            sink.write(*shot(index))
        sink.close()
        taken = bytearray()
        while part := os.read(reader, 1 << 16):
            taken += part
    finally:
        os.close(reader)
    assert path.is_fifo()
    with av.open(io.BytesIO(taken)) as film:
        assert len(list(film.decode(video=0))) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no /dev/null")
def test_two_recordings_into_the_void_do_not_mind_each_other(tmp_path: Path):
    (tmp_path / "void.mp4").symlink_to("/dev/null")
    sinks = [
        RecordSink(tmp_path / "void.mp4", Composer("source"), overwrite=True) for _ in range(2)
    ]
    for sink in sinks:
        sink.open(stream_info())
    for sink in sinks:
        sink.close()
