"""A finished recording says how long it is, and when it was made."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import pytest

from streamer.compositing import Composer
from streamer.frame import Frame
from streamer.sinks import RecordSink
from streamer.sinks.recording.length import tell_length
from tests.media import sound
from tests.peers import ffmpeg, gst_length
from tests.unit.sinks.scene import shot, stream_info

PLAIN = [("a.mp4", "h264"), ("a.mp4", "av1"), ("a.mov", "h264"), ("a.mkv", "h264")]
PLAIN += [("a.webm", "vp9"), ("a.webm", "av1")]


def record(path: Path, codec: str, seconds: int, *, heard: bool = False) -> RecordSink:
    sink = RecordSink(path, Composer("source"), codec=codec, preset="ultrafast")
    track, packets = sound.encoded("opus" if path.suffix == ".webm" else "aac")
    sink.open(replace(stream_info(), audio=track if heard else None))
    for index in range(seconds * 30):
        sink.write(*shot(index))
        while heard and packets and packets[0].pts * track.time_base <= Fraction(index, 30):
            sink.write_audio(packets.pop(0))
    sink.close()
    return sink


def told_by_ffprobe(path: Path) -> tuple[float, float]:
    said = ffmpeg.run("ffprobe", "-of", "json", "-show_entries", "format", str(path))
    form = json.loads(said)["format"]
    return float(form["start_time"]), float(form["duration"])


@pytest.mark.parametrize("heard", [False, True], ids=["mute", "with sound"])
@pytest.mark.parametrize(("name", "codec"), PLAIN)
def test_players_that_trust_the_header_show_all_of_it(
    tmp_path: Path, name: str, codec: str, heard: bool
):
    path = tmp_path / name
    record(path, codec, 2, heard=heard)
    assert told_by_ffprobe(path) == pytest.approx((0, 2), abs=0.035)
    assert gst_length.told_s(path) == pytest.approx(2, abs=0.035)
    assert ffmpeg.run("ffmpeg", "-i", str(path), "-f", "framecrc", "-").count(b"\n0,") == 60


def test_that_of_20_seconds_is_20_seconds_long(tmp_path: Path):
    path = tmp_path / "a.mp4"
    record(path, "h264", 20)
    assert told_by_ffprobe(path) == pytest.approx((0, 20), abs=0.001)
    assert gst_length.told_s(path) == pytest.approx(20, abs=0.001)


def test_the_length_takes_the_place_of_a_note_and_nothing_moves(tmp_path: Path):
    path = tmp_path / "a.mp4"
    record(path, "h264", 2)
    content = path.read_bytes()
    assert content.count(b"mehd") == 1
    at = content.index(b"mehd")
    assert struct.unpack_from(">I4sB3xQ", content, at - 4) == (20, b"mehd", 1, 2000)
    with av.open(str(path)) as film:
        assert len(list(film.decode(video=0))) == 60


def test_a_header_without_a_place_for_the_length_stays_as_it_is(tmp_path: Path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as film:
        stream = film.add_stream("libx264", rate=30)
        stream.width, stream.height = 64, 48
        film.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        film.mux(stream.encode(None))
    before = path.read_bytes()
    assert not tell_length(path, 2.0)
    assert path.read_bytes() == before
    path.write_bytes(b"\0\0\0\x04moov")
    assert not tell_length(path, 2.0)


@pytest.mark.parametrize(("name", "codec"), PLAIN)
def test_it_is_dated_by_the_capture_of_its_first_frame(tmp_path: Path, name: str, codec: str):
    sink = RecordSink(tmp_path / name, Composer("source"), codec=codec)
    sink.open(stream_info())
    for index in range(3):
        frame, matte = shot(index)
        stamp = replace(frame.stamp, captured_ns=frame.stamp.captured_ns - 3_600_000_000_000)
        sink.write(Frame(frame.image, stamp), matte)
    sink.close()
    with av.open(str(tmp_path / name)) as film:
        said = {name.lower(): value for name, value in film.metadata.items()}["creation_time"]
    made = datetime.fromisoformat(said)
    assert abs(datetime.now(UTC) - timedelta(hours=1) - made) < timedelta(seconds=30)
