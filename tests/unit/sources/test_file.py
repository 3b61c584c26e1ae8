from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from pydantic import ValidationError

from streamer.config import FileSourceConfig
from streamer.errors import (
    CorruptFrame,
    EndOfStream,
    FormatChanged,
    SourceLost,
    SourceNotFound,
    SourceUnsupported,
)
from streamer.sources.file import FileSource
from tests.peers import ffmpeg


def source(path: Path | str, **fields: object) -> FileSource:
    return FileSource(FileSourceConfig(type="file", path=str(path), **fields))


def test_every_frame_comes_once_in_order_with_its_own_time(small_clip, play):
    played = play(small_clip)
    assert played.levels == list(range(50))
    assert played.times_s == [Fraction(n, 25) for n in range(50)]
    assert played.info.frames == 50
    assert played.info.fps == 25
    assert not played.info.live


def test_uneven_timestamps_are_kept(tmp_path, make_clip, play):
    times_ms = [0, 40, 45, 200, 1000, 1001, 5000]
    path = make_clip(tmp_path / "vfr.mkv", frames=7, pts=times_ms)
    assert [int(t * 1000) for t in play(path).times_s] == times_ms


def test_a_loop_goes_on_in_time(small_clip, play):
    played = play(small_clip, limit=130, loop=True)
    assert played.levels == [n % 50 for n in range(130)]
    assert played.times_s == [Fraction(n, 25) for n in range(130)]
    assert played.info.frames is None


def test_a_loop_of_a_part_repeats_that_part(small_clip, play):
    played = play(small_clip, limit=25, loop=True, start_s=0.4, duration_s=0.4)
    assert played.levels == [10 + n % 10 for n in range(25)]
    assert played.times_s == [Fraction(10 + n, 25) for n in range(25)]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_start_and_duration_cut_out_exactly_those_frames(tmp_path, make_clip, play, suffix):
    path = make_clip(tmp_path / f"clip.{suffix}")
    assert play(path, start_s=0.52, duration_s=0.4).levels == list(range(13, 23))


def test_a_start_past_the_end_says_where_the_end_is(small_clip):
    with pytest.raises(SourceUnsupported, match=r"clip.mp4: start_s 9 is past its end at 2.0 s"):
        source(small_clip, start_s=9).open()


def test_a_lower_rate_skips_by_time(small_clip, play):
    played = play(small_clip, fps=5)
    assert played.levels == list(range(0, 50, 5))
    assert played.info.fps == 5


def test_its_own_rate_as_the_limit_skips_nothing(small_clip, play):
    assert len(play(small_clip, fps=25).levels) == 50


def test_speed_divides_the_timestamps_exactly(small_clip, play):
    played = play(small_clip, speed=1.6)
    assert played.times_s == [Fraction(n, 25) / Fraction(8, 5) for n in range(50)]
    assert played.info.fps == 40


def test_realtime_is_live_and_paced(small_clip, play):
    info = play(small_clip, realtime=True, limit=1).info
    assert info.live
    assert info.paced


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied_as_ffmpeg_does(tmp_path, degrees):
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    scene = ["-f", "lavfi", "-i", "testsrc=size=66x50:rate=25:duration=0.2"]
    ffmpeg.run("ffmpeg", *scene, "-pix_fmt", "yuv420p", "-c:v", "libx264", str(plain))
    with av.open(str(plain)) as read, av.open(str(turned), "w") as write:
        stream = write.add_stream_from_template(read.streams.video[0])
        if not hasattr(stream, "set_display_rotation"):
            pytest.skip("this PyAV cannot write a rotation")
        stream.set_display_rotation(degrees)
        for packet in read.demux(video=0):
            if packet.size:
                packet.stream = stream
                write.mux(packet)
    first = ["-i", str(turned), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
    raw = ffmpeg.run("ffmpeg", *first)

    reader = source(turned)
    info = reader.open()
    assert (info.width, info.height) == ((66, 50) if degrees == 180 else (50, 66))
    out = np.zeros((info.height, info.width, 3), np.uint8)
    reader.read(out)
    reader.close()
    wanted = np.frombuffer(raw, np.uint8).reshape(out.shape)
    assert np.abs(out.astype(int) - wanted).mean() < 1  # two builds of swscale round apart


def test_a_file_cut_short_that_was_read_again_and_again_just_ends(tmp_path, make_clip):
    path = make_clip(tmp_path / "clip.mp4", faststart=True, noise=True)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    config = FileSourceConfig(type="file", path=str(path), loop=True)
    reader = FileSource(config)
    info = reader.open()
    out = np.zeros((info.height, info.width, 3), np.uint8)
    read = 0
    with suppress(EndOfStream):
        while read < 500:
            with suppress(CorruptFrame):
                reader.read(out)
                read += 1
            if read == 60:
                reader.adjust(config.model_copy(update={"loop": False}))
    assert 60 < read < 500


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_file_cut_short_delivers_what_is_there_and_says_so(tmp_path, make_clip, suffix):
    path = make_clip(tmp_path / f"clip.{suffix}", faststart=suffix == "mp4", noise=True)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    reader = source(path)
    info = reader.open()
    out = np.zeros((info.height, info.width, 3), np.uint8)
    delivered = 0
    lost = ""
    while not lost:
        try:
            reader.read(out)
            delivered += 1
        except CorruptFrame:
            continue
        except SourceLost as error:
            lost = str(error)
    assert 20 < delivered < 40
    counted = {"mp4": "of 50 frames", "mkv": "frames, 1.2 of 2.0 s"}[suffix]
    assert f"clip.{suffix} ends early: {delivered} {counted}" in lost
    with pytest.raises(SourceLost, match="ends early"):
        reader.read(out)
    reader.close()


def test_a_recording_without_its_index_cannot_be_opened(tmp_path, make_clip):
    path = make_clip(tmp_path / "clip.mp4", noise=True)
    path.write_bytes(path.read_bytes()[:30_000])
    with pytest.raises(SourceUnsupported, match=r"clip.mp4: not a video that can be read"):
        source(path).open()


def test_a_damaged_middle_loses_only_some_frames(tmp_path, make_clip, play):
    path = make_clip(tmp_path / "clip.mkv", noise=True)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 1500] = bytes(1500)
    path.write_bytes(data)
    played = play(path)
    assert len(played.times_s) > 35
    assert played.times_s == sorted(set(played.times_s))


def test_text_is_not_a_video(tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_text("not a video\n" * 100)
    with pytest.raises(SourceUnsupported, match=r"notes.mp4: not a video"):
        source(path).open()


def test_sound_alone_is_named(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 800), np.int16), format="s16", layout="mono"
        )
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(SourceUnsupported, match=r"sound.wav: has no video, only audio"):
        source(path).open()


def test_a_song_with_a_cover_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=48_000)
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame(64, 48, "yuvj420p")))
        container.mux(cover.encode())
        for number in range(10):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 48_000, number * 1024
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    with pytest.raises(SourceUnsupported, match=r"has no video, only a cover and audio"):
        source(path).open()


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(SourceNotFound, match=r"none.mp4: no such file"):
        source(tmp_path / "none.mp4").open()


def test_a_folder_points_to_images(tmp_path):
    with pytest.raises(SourceUnsupported, match="type: images"):
        source(tmp_path).open()


def test_a_stream_url_points_to_rtsp_without_its_password():
    with pytest.raises(ValidationError, match="type: rtsp") as refused:
        source("rtsp://me:secret@camera/1")
    assert "secret" not in str(refused.value)


def test_a_name_with_a_colon_and_other_letters_opens(tmp_path, make_clip, play):
    path = tmp_path / "übung 12.mkv"
    make_clip(path, frames=3)
    assert len(play(path).levels) == 3


def test_a_new_size_is_announced_before_its_frame(tmp_path, make_clip):
    parts = [
        make_clip(tmp_path / "a.ts", frames=10),
        make_clip(tmp_path / "b.ts", frames=10, size=(96, 64)),
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    reader = source(path)
    info = reader.open()
    out = np.zeros((info.height, info.width, 3), np.uint8)
    shapes, times = [], []
    while True:
        try:
            grab = reader.read(out)
        except FormatChanged as changed:
            out = np.zeros((changed.info.height, changed.info.width, 3), np.uint8)
            continue
        except CorruptFrame:
            continue
        except EndOfStream:
            break
        shapes.append(out.shape[:2])
        times.append(grab.pts)
    reader.close()
    assert set(shapes) == {(48, 64), (64, 96)}
    assert shapes == sorted(shapes)
    assert len(shapes) >= 18
    assert times == sorted(set(times))
