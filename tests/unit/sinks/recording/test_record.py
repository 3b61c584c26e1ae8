from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.compositing import Composer
from streamer.errors import SinkError
from streamer.sinks import RecordSink
from tests.media import sound
from tests.memory import allocating
from tests.peers import ffmpeg
from tests.unit.sinks.scene import BLUE, GREEN, GREY, RED, shot, stream_info

MS = Fraction(1, 1000)
HOST = Path(__file__).with_name("record_host.py")


def record(path: Path, shots: list, *, layout: str = "side_by_side", fps=Fraction(30), **options):
    sink = RecordSink(path, Composer(layout), **options)
    sink.open(stream_info(fps=fps))
    for frame, matte in shots:
        sink.write(frame, matte)
    sink.close()
    return sink


def write_noise(sink: RecordSink) -> None:
    noise = np.random.default_rng(0)
    for index in range(1000):
        sink.write(*shot(index, image=noise.integers(0, 256, (120, 160, 3), np.uint8)))


def probe(path: Path, entries: str) -> dict:
    return json.loads(ffmpeg.run("ffprobe", "-of", "json", "-show_entries", entries, str(path)))


def pts_times(path: Path) -> list[float]:
    return [float(frame["pts_time"]) for frame in probe(path, "frame=pts_time")["frames"]]


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)]


def close_to(pixels: np.ndarray, colour: object, tolerance: int = 8) -> bool:
    return bool((np.abs(pixels.astype(int) - np.asarray(colour)) <= tolerance).all())


@pytest.mark.parametrize(
    ("time_base", "pts"),
    [
        (Fraction(1, 30), list(range(40))),
        (Fraction(1001, 30000), list(range(5, 45))),
        (Fraction(1, 90_000), [900_000, 903_000, 903_001, 910_000, 955_000, 1_090_000, 1_090_500]),
        (Fraction(1, 1_000_000), [12_345_678 + n * 33_367 for n in range(40)]),
        (Fraction(1, 1_000_000_000), [n * 33_366_667 for n in range(40)]),
        (Fraction(1, 25), [0, 1, 2, 3, 10, 500, 501]),
    ],
    ids=["steady", "ntsc", "variable", "microseconds", "nanoseconds", "gap"],
)
def test_it_begins_at_0_and_its_steps_are_exactly_the_sources(
    tmp_path: Path, time_base: Fraction, pts: list[int]
):
    path = tmp_path / "a.mp4"
    shots = [shot(n, value, time_base=time_base) for n, value in enumerate(pts)]
    record(path, shots, fps=None)
    since = [p - pts[0] for p in pts]
    assert pts_times(path) == pytest.approx([float(p * time_base) for p in since], abs=1.1e-6)
    with av.open(str(path)) as film:
        read = [frame.pts * frame.time_base for frame in film.decode(video=0)]
    assert read == [p * time_base for p in since]


def test_an_epoch_that_begins_anew_goes_on_in_the_file(tmp_path: Path):
    path = tmp_path / "a.mp4"
    shots = [shot(n, 1000 + 40 * n, time_base=MS) for n in range(3)]
    shots += [shot(n + 3, 40 * n, time_base=MS, epoch=1) for n in range(3)]
    record(path, shots, fps=Fraction(25))
    assert pts_times(path) == pytest.approx([0.0, 0.04, 0.08, 0.12, 0.16, 0.2])


def test_the_statistics_are_the_files(tmp_path: Path):
    path = tmp_path / "a.mp4"
    sink = record(path, [shot(n) for n in range(45)])
    assert sink.statistics() == {
        "type": "record",
        "path": str(path),
        "files": 1,
        "audio_packets": 0,
        "frames": 45,
        "bytes": path.stat().st_size,
        "seconds": 1.5,
        "preset": "veryfast",
    }
    assert float(probe(path, "format=duration")["format"]["duration"]) == pytest.approx(1.5)
    json.dumps(sink.statistics())


def test_it_is_h264_without_b_frames_with_a_key_frame_each_second(tmp_path: Path):
    path = tmp_path / "a.mp4"
    record(path, [shot(n) for n in range(95)])
    answer = probe(path, "stream=codec_name,has_b_frames,pix_fmt:frame=pict_type")
    stream = answer["streams"][0]
    assert (stream["codec_name"], stream["has_b_frames"]) == ("h264", 0)
    assert stream["pix_fmt"] == "yuv420p"
    keys = [n for n, frame in enumerate(answer["frames"]) if frame["pict_type"] == "I"]
    assert keys == [0, 30, 60, 90]


def test_side_by_side_is_the_cutout_and_its_mask(tmp_path: Path):
    path = tmp_path / "a.mp4"
    record(path, [shot(n) for n in range(5)])
    for picture in pictures(path):
        assert picture.shape == (48, 128, 3)
        assert close_to(picture[4:-4, 4:28], RED)
        assert close_to(picture[4:-4, 36:60], 0)
        assert close_to(picture[4:-4, 68:92], 255)
        assert close_to(picture[4:-4, 100:124], 0)


@pytest.mark.parametrize("size", [(96, 96), (1280, 720)], ids=["small", "hd"])
def test_colours_read_back_and_are_tagged_as_what_they_are(tmp_path: Path, size: tuple[int, int]):
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    halves = [(y, x) for y in (0, height // 2) for x in (0, width // 2)]
    colours = dict(zip(halves, (RED, GREEN, BLUE, GREY), strict=True))
    for (y, x), colour in colours.items():
        image[y : y + height // 2, x : x + width // 2] = colour
    path = tmp_path / "a.mp4"
    record(path, [shot(n, image=image) for n in range(3)], layout="source")
    tags = probe(path, "stream=color_range,color_space,color_primaries,color_transfer")
    assert set(tags["streams"][0].values()) == {"tv", "bt709"}
    raw = ffmpeg.run("ffmpeg", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "bgr24", "-")
    by_ffmpeg = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
    for read in (pictures(path)[-1], by_ffmpeg[-1]):
        for (y, x), colour in colours.items():
            patch = read[y + 8 : y + height // 2 - 8, x + 8 : x + width // 2 - 8]
            assert close_to(patch, colour), (colour, patch[0, 0])


def test_odd_sizes_get_a_black_column_and_row(tmp_path: Path):
    path = tmp_path / "a.mp4"
    image = np.full((47, 63, 3), 255, np.uint8)
    record(path, [shot(n, image=image) for n in range(3)], layout="source", crf=5)
    picture = pictures(path)[-1]
    assert picture.shape == (48, 64, 3)
    assert picture[:45, :61].min() > 200
    assert picture[47, :].max() < 80
    assert picture[:, 63].max() < 80


@pytest.mark.parametrize("width", [2, 18, 642])
def test_any_width_is_recorded_straight(tmp_path: Path, width: int):
    path = tmp_path / "a.mp4"
    image = np.full((32, width, 3), 200, np.uint8)
    record(path, [shot(n, image=image) for n in range(3)], layout="source")
    assert close_to(pictures(path)[-1], 200)


def test_a_frame_of_another_size_is_fitted_with_black_bars(tmp_path: Path):
    path = tmp_path / "a.mp4"
    tall = np.full((128, 64, 3), 200, np.uint8)
    shots = [shot(0, image=np.full((64, 128, 3), 90, np.uint8))]
    shots += [shot(1, image=tall, epoch=1), shot(2, image=shots[0][0].image, epoch=2)]
    record(path, shots, layout="source", crf=5)
    first, fitted, last = pictures(path)
    assert fitted.shape == (64, 128, 3)
    assert close_to(fitted[4:-4, 52:76], 200)
    assert close_to(fitted[:, :44], 0)
    assert close_to(fitted[:, 84:], 0)
    assert close_to(first, 90)
    assert close_to(last, 90)


def test_parent_folders_are_made(tmp_path: Path):
    record(tmp_path / "a" / "b" / "c.mp4", [shot()])
    assert pts_times(tmp_path / "a" / "b" / "c.mp4") == [0]


def test_an_existing_file_is_refused_with_a_way_out(tmp_path: Path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"mine")
    sink = RecordSink(path, Composer())
    with pytest.raises(SinkError, match=r"a\.mp4: exists already: set overwrite: true"):
        sink.open(stream_info())
    sink.close()
    assert path.read_bytes() == b"mine"


def test_an_existing_file_is_replaced_when_asked_and_not_before_a_frame(tmp_path: Path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"mine")
    record(path, [], overwrite=True)
    assert path.read_bytes() == b"mine"
    record(path, [shot()], overwrite=True)
    assert pts_times(path) == [0]


def test_a_run_without_a_frame_leaves_no_file(tmp_path: Path):
    record(tmp_path / "a.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_a_name_with_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    record(Path("http:12.mp4"), [shot()])
    assert [f.name for f in tmp_path.iterdir()] == ["http:12.mp4"]


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path):
    folder = tmp_path / "a.mp4"
    folder.mkdir()
    with pytest.raises(SinkError, match="is a folder: name a file"):
        RecordSink(folder, Composer(), overwrite=True).open(stream_info())


def test_a_folder_without_permission_is_named(locked_folder: Path):
    with pytest.raises(SinkError, match=r"a\.mp4: no permission to write"):
        RecordSink(locked_folder / "a.mp4", Composer()).open(stream_info())


def test_a_full_disk_ends_the_recording_and_what_was_written_plays(small_disk: Path):
    path = small_disk / "a.mp4"
    sink = RecordSink(path, Composer("source"), preset="ultrafast")
    sink.open(stream_info(160, 120))
    with pytest.raises(SinkError, match=r"a\.mp4: the disk is full: free some space") as refused:
        write_noise(sink)
    with pytest.raises(SinkError, match="an earlier write failed"):
        sink.write(*shot(1001))
    sink.close()
    assert "\n" not in str(refused.value)
    written = len(pts_times(path))
    assert written % 30 == 0
    assert 0 < sink.statistics()["frames"] - written <= 30
    assert sink.statistics()["bytes"] == path.stat().st_size


def test_the_largest_file_size_ends_the_recording_and_what_was_written_plays(
    tmp_path: Path, script_environment: dict[str, str]
):
    path = tmp_path / "a.mp4"
    host = subprocess.run(
        [sys.executable, str(HOST), str(path), "700000"],
        check=True,
        capture_output=True,
        text=True,
        env=script_environment,
        timeout=60,
    )
    *_, frames, refused, closed = host.stdout.splitlines()
    assert refused.startswith(f"SinkError {path}: the file is as large as")
    assert closed == "closed"
    assert 0 < int(frames) - len(pts_times(path)) <= 30


def test_a_killed_recording_plays_and_lacks_one_fragment_at_most(
    tmp_path: Path, script_environment: dict[str, str]
):
    path = tmp_path / "a.mp4"
    with subprocess.Popen(
        [sys.executable, str(HOST), str(path), "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=script_environment,
    ) as host:
        assert host.stdout is not None
        written = 0
        for line in host.stdout:
            written = int(line)
            if written == 100:
                host.send_signal(signal.SIGKILL)
    assert written >= 100
    assert written - len(pts_times(path)) <= 30
    assert len(pictures(path)) == len(pts_times(path))


def test_only_the_first_frames_allocate(tmp_path: Path):
    shots = [shot(n, width=640, height=360) for n in range(12)]
    sink = RecordSink(tmp_path / "a.mp4", Composer())
    sink.open(stream_info())
    for frame, matte in shots[:3]:
        sink.write(frame, matte)
    with allocating() as growth:
        for frame, matte in shots[3:]:
            sink.write(frame, matte)
    sink.close()
    assert growth.peak < 100_000


def test_the_recorded_mask_is_white_and_black_without_a_tint(tmp_path: Path):
    path = tmp_path / "a.mp4"
    image = np.full((64, 64, 3), 90, np.uint8)
    image[:, 32:] = 255
    record(path, [shot(n, image=image) for n in range(3)], layout="source")
    for part, value in ((np.s_[8:-8, 8:24], 90), (np.s_[8:-8, 40:-8], 255)):
        assert close_to(pictures(path)[-1][part], value, tolerance=1)


def record_with_audio(path: Path, first_pts: int = 0) -> RecordSink:
    track, packets = sound.aac(2.0, (0.5, 1.5))
    sink = RecordSink(path, Composer("cutout"))
    sink.open(replace(stream_info(), audio=track))
    for index in range(first_pts, 60):
        sink.write(*shot(index))
        for packet in [p for p in packets if p.pts * track.time_base <= Fraction(index, 30)]:
            sink.write_audio(packet)
            packets.remove(packet)
    sink.close()
    return sink


def test_the_sources_audio_is_in_the_file_at_its_time(tmp_path: Path):
    path = tmp_path / "a.mp4"
    sink = record_with_audio(path)
    assert sound.heard_s(str(path)) == pytest.approx([0.5, 1.5], abs=0.005)
    streams = probe(path, "stream=codec_name,sample_rate")["streams"]
    assert [stream["codec_name"] for stream in streams] == ["h264", "aac"]
    assert sink.statistics()["audio_packets"] > 80
    assert sink.statistics()["frames"] == 60


def test_audio_from_before_the_first_picture_is_left_out(tmp_path: Path):
    path = tmp_path / "a.mp4"
    record_with_audio(path, first_pts=30)
    assert sound.heard_s(str(path)) == pytest.approx([0.5], abs=0.005)
    assert pts_times(path)[0] == 0


def test_another_size_begins_a_new_file_where_that_is_wanted(tmp_path: Path):
    shots = [shot(n) for n in range(3)]
    shots += [shot(n, width=96, height=54, epoch=1) for n in range(3, 8)]
    sink = record(tmp_path / "a.mp4", shots, layout="source", resize="new_file")
    assert [p.shape[:2] for p in pictures(tmp_path / "a.mp4")] == [(48, 64)] * 3
    assert [p.shape[:2] for p in pictures(tmp_path / "a-2.mp4")] == [(54, 96)] * 5
    assert pts_times(tmp_path / "a-2.mp4")[0] == 0
    statistics = sink.statistics()
    assert (statistics["files"], statistics["frames"]) == (2, 8)
    assert statistics["path"] == str(tmp_path / "a-2.mp4")
    assert statistics["bytes"] == sum(f.stat().st_size for f in tmp_path.iterdir())
    assert statistics["seconds"] == pytest.approx(8 / 30, abs=1e-6)


def test_a_new_file_replaces_no_other(tmp_path: Path):
    (tmp_path / "a-2.mp4").write_bytes(b"mine")
    sink = RecordSink(tmp_path / "a.mp4", Composer("source"), resize="new_file")
    sink.open(stream_info())
    sink.write(*shot())
    sink.write(*shot(1, width=96, height=54, epoch=1))
    sink.close()
    assert (tmp_path / "a-2.mp4").read_bytes() == b"mine"
    assert len(pictures(tmp_path / "a-3.mp4")) == 1
    assert sink.statistics()["path"] == str(tmp_path / "a-3.mp4")
