"""The sound of each kind of file: kept as it is, or encoded anew; read back."""

from __future__ import annotations

import logging
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.compositing import Composer
from streamer.errors import SinkError
from streamer.packets import AudioPacket, AudioTrack
from streamer.sinks import RecordSink
from tests.media import sound
from tests.unit.sinks.scene import shot, stream_info

PCM = ["pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be"]
PCM += ["pcm_f32le", "pcm_f64le"]
KEPT = {
    "a.mp4": ["aac", "mp3", "opus", "flac", "alac"],
    "a.mov": ["aac", "ac3", "eac3", "mp2", "mp3", "alac", "pcm_alaw", "pcm_mulaw", *PCM],
    "a.mkv": ["aac", "ac3", "eac3", "mp2", "mp3", "opus", "flac", "alac", *PCM],
    "a.webm": ["opus"],
}


def record(
    path: Path, track: AudioTrack, packets: list[AudioPacket], *, frames: int = 60, first: int = 0
) -> RecordSink:
    sink = RecordSink(path, Composer("cutout"))
    play(sink, track, packets, frames=frames, first=first)
    return sink


def play(
    sink: RecordSink,
    track: AudioTrack,
    packets: list[AudioPacket],
    *,
    frames: int = 60,
    first: int = 0,
) -> None:
    sink.open(replace(stream_info(), audio=track))
    waiting = list(packets)
    for index in range(frames):
        sink.write(*shot(index, index + first))
        while waiting and waiting[0].pts * track.time_base <= Fraction(index + first, 30):
            sink.write_audio(waiting.pop(0))
    for packet in waiting:
        sink.write_audio(packet)
    sink.close()


@pytest.mark.parametrize(
    ("name", "codec"), [(name, codec) for name, codecs in KEPT.items() for codec in codecs]
)
def test_sound_that_a_file_holds_is_in_it_bit_by_bit(tmp_path: Path, name: str, codec: str):
    track, packets = sound.encoded(codec)
    record(tmp_path / name, track, packets)
    read, copied = sound.packets_of(str(tmp_path / name))
    assert (read.codec, read.sample_rate, read.channels) == (codec, sound.RATE, 1)
    # Of PCM, containers cut the packets as they like.
    assert b"".join(p.data for p in copied) == b"".join(p.data for p in packets)
    assert codec in PCM or len(copied) == len(packets)
    # An encoder's own delay of up to 1,024 samples is in it.
    assert sound.heard_s(str(tmp_path / name)) == pytest.approx([0.5, 1.5], abs=0.03)


@pytest.mark.parametrize(
    ("codec", "encoder", "names"),
    [
        ("vorbis", "libvorbis", ["a.mkv", "a.webm"]),
        ("dts", "dca", ["a.mkv"]),
        ("truehd", "truehd", ["a.mkv"]),
        ("mlp", "mlp", ["a.mkv"]),
    ],
)
def test_sound_that_only_other_encoders_make_is_kept_too(
    tmp_path: Path, codec: str, encoder: str, names: list[str]
):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    made = tmp_path / "made.mkv"
    command = f"ffmpeg -v error -f lavfi -i sine=r=48000:d=2 -ac 2 -c:a {encoder} -strict -2 {made}"
    if subprocess.run(command.split(), check=False).returncode:
        pytest.skip(f"ffmpeg has no {encoder}")
    track, packets = sound.packets_of(str(made))
    for name in names:
        record(tmp_path / name, track, packets)
        read, copied = sound.packets_of(str(tmp_path / name))
        assert read.codec == codec
        assert [packet.data for packet in copied] == [packet.data for packet in packets]
        given = sound.decoded(str(made))
        assert np.array_equal(sound.decoded(str(tmp_path / name)), given)
        with av.open(str(tmp_path / name)) as film:
            assert film.duration / 1e6 == pytest.approx(2.0, abs=0.03)


@pytest.mark.parametrize(("name", "becomes"), [("a.mp4", "aac"), ("a.webm", "opus")])
def test_aac_in_latm_is_encoded_anew(tmp_path: Path, name: str, becomes: str):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    made = tmp_path / "made.ts"
    command = "ffmpeg -v error -f lavfi -i sine=r=48000:d=2 -c:a aac -mpegts_flags latm"
    subprocess.run([*command.split(), str(made)], check=True)
    track, packets = sound.packets_of(str(made))
    assert track.codec == "aac_latm"
    since = round(packets[0].pts * track.time_base * 30)
    record(tmp_path / name, track, packets, first=since)
    read, copied = sound.packets_of(str(tmp_path / name))
    assert read.codec == becomes
    assert len(copied) > 90


@pytest.mark.parametrize(
    ("name", "codec", "becomes"),
    [
        ("a.mp4", "pcm_s24le", "aac"),
        ("a.mp4", "pcm_alaw", "aac"),
        ("a.mp4", "ac3", "aac"),
        ("a.mp4", "eac3", "aac"),
        ("a.mp4", "mp2", "aac"),
        ("a.mov", "flac", "aac"),
        ("a.mov", "opus", "aac"),
        ("a.mkv", "pcm_alaw", "aac"),
        ("a.webm", "aac", "opus"),
        ("a.webm", "pcm_s16le", "opus"),
    ],
)
def test_sound_that_a_file_does_not_hold_is_encoded_anew_in_step(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, codec: str, becomes: str
):
    caplog.set_level(logging.INFO)
    track, packets = sound.encoded(codec)
    record(tmp_path / name, track, packets)
    read, copied = sound.packets_of(str(tmp_path / name))
    assert (read.codec, read.sample_rate, read.channels) == (becomes, sound.RATE, 1)
    assert len(read.extradata) >= 2
    assert len(copied) > 80
    assert sound.heard_s(str(tmp_path / name)) == pytest.approx([0.5, 1.5], abs=0.03)
    assert f"{codec} becomes {becomes} in " in caplog.text
    assert "it stays as it is" in caplog.text


@pytest.mark.parametrize("layout", ["stereo", "5.1"])
def test_all_channels_are_encoded_anew(tmp_path: Path, layout: str):
    track, packets = sound.encoded("ac3", layout)
    record(tmp_path / "a.mp4", track, packets)
    read, _ = sound.packets_of(str(tmp_path / "a.mp4"))
    assert read.channels == track.channels == {"stereo": 2, "5.1": 6}[layout]
    assert sound.heard_s(str(tmp_path / "a.mp4"))[0] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_a_clock_at_hour_eight_leaves_pictures_and_sound_in_step_from_0_on(
    tmp_path: Path, codec: str
):
    track, packets = sound.encoded(codec)
    late = [replace(packet, pts=packet.pts + 8 * 3600 * sound.RATE) for packet in packets]
    record(tmp_path / "a.mp4", track, late, first=8 * 3600 * 30)
    assert sound.heard_s(str(tmp_path / "a.mp4")) == pytest.approx([0.5, 1.5], abs=0.03)
    with av.open(str(tmp_path / "a.mp4")) as film:
        assert [frame.time for frame in film.decode(video=0)][:2] == pytest.approx([0, 1 / 30])
        assert film.duration / 1e6 == pytest.approx(2.0, abs=0.06)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_a_gap_in_the_sound_stays_a_gap(tmp_path: Path, codec: str):
    track, packets = sound.encoded(codec)
    kept = [p for p in packets if not sound.RATE * 0.7 < p.pts < sound.RATE * 1.2]
    record(tmp_path / "a.mp4", track, kept)
    assert sound.heard_s(str(tmp_path / "a.mp4")) == pytest.approx([0.5, 1.5], abs=0.03)


def test_overlaps_do_not_add_up_to_sound_that_comes_late(tmp_path: Path):
    track, packets = sound.encoded("pcm_s16le")
    # As of a loop whose sound is longer than its pictures.
    again = [replace(p, pts=p.pts + sound.RATE) for p in packets]
    once = [p for p in packets if p.pts < sound.RATE * 1.2]
    record(tmp_path / "a.mp4", track, once + again, frames=90)
    assert sound.heard_s(str(tmp_path / "a.mp4")) == pytest.approx([0.5, 1.5, 2.5], abs=0.03)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_times_that_jitter_cost_no_sound(tmp_path: Path, name: str):
    track, packets = sound.encoded("ac3")
    late = round(Fraction(30, 1000) / track.time_base)
    uneven = [replace(p, pts=p.pts + late * (n % 2)) for n, p in enumerate(packets)]
    record(tmp_path / name, track, uneven)
    assert sound.heard_s(str(tmp_path / name)) == pytest.approx([0.5, 1.5], abs=0.06)
    with av.open(str(tmp_path / name)) as film:
        heard_s = sum(frame.samples / frame.sample_rate for frame in film.decode(audio=0))
    assert heard_s == pytest.approx(len(packets) * 1536 / track.sample_rate, abs=0.1)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.mp4", "ac3"), ("a.webm", "ac3")])
@pytest.mark.parametrize("off_s", [-10, -1, 1, 10])
@pytest.mark.parametrize("index", [0, 10, -1])
def test_one_packet_of_a_wrong_time_costs_no_other_sound(
    tmp_path: Path, name: str, codec: str, off_s: int, index: int
):
    track, packets = sound.encoded(codec)
    wrong = packets[index]
    packets[index] = replace(wrong, pts=wrong.pts + off_s * sound.RATE)
    sink = RecordSink(tmp_path / name, Composer("cutout"))
    sink.open(replace(stream_info(), audio=track))
    for number in range(60):
        sink.write(*shot(number))
        while packets and packets[0].pts * track.time_base <= Fraction(number, 30) + max(off_s, 0):
            sink.write_audio(packets.pop(0))
    sink.close()
    assert sound.heard_s(str(tmp_path / name)) == pytest.approx([0.5, 1.5], abs=0.03)
    with av.open(str(tmp_path / name)) as film:
        assert film.duration / 1e6 == pytest.approx(2.0, abs=0.07)


def test_sound_whose_clock_goes_on_elsewhere_is_believed(tmp_path: Path):
    track, packets = sound.encoded("aac")
    packets = [replace(p, pts=p.pts + sound.RATE * (p.pts > sound.RATE)) for p in packets]
    record(tmp_path / "a.mp4", track, packets, frames=90)
    assert sound.heard_s(str(tmp_path / "a.mp4")) == pytest.approx([0.5, 2.5], abs=0.03)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
@pytest.mark.parametrize("rates", [(48_000, 44_100), (44_100, 48_000), (32_000, 48_000)])
def test_sound_that_changes_its_rate_and_channels_stays_in_step_and_whole(
    tmp_path: Path, name: str, rates: tuple[int, int]
):
    track, before = sound.encoded("ac3", "mono", rates[0])
    track = replace(track, time_base=Fraction(1, sound.RATE))
    _, after = sound.encoded("ac3", "stereo", rates[1])
    begin = round(1536 * sound.RATE / rates[0])
    length = len(before) * begin
    moved = [replace(p, pts=p.pts + before[0].pts + length - after[0].pts) for p in after]
    record(tmp_path / name, track, before + moved, frames=120)
    since_s = (moved[0].pts - after[0].pts) / sound.RATE
    expected = [0.5, 1.5, since_s + 0.5, since_s + 1.5]
    assert sound.heard_s(str(tmp_path / name)) == pytest.approx(expected, abs=0.004)
    whole_s = sum(1536 * len(p) / r for p, r in zip((before, after), rates, strict=True))
    with av.open(str(tmp_path / name)) as film:
        heard_s = sum(frame.samples / frame.sample_rate for frame in film.decode(audio=0))
    assert heard_s == pytest.approx(whole_s, abs=0.06)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
@pytest.mark.parametrize("channels", [1, 4, 6, 7, 8, 9, 16])
def test_no_number_of_channels_ends_a_recording(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, channels: int
):
    track = AudioTrack("pcm_s16le", 48_000, channels, Fraction(1, 48_000))
    packets = [AudioPacket(bytes(2048 * channels), 1024 * n) for n in range(40)]
    record(tmp_path / name, track, packets, frames=30)
    with av.open(str(tmp_path / name)) as film:
        kinds = [stream.type for stream in film.streams]
        assert sum(1 for packet in film.demux(video=0) if packet.size) == 30
    # Nine are of no layout that anyone knows.
    assert kinds == (["video"] if channels == 9 else ["video", "audio"])
    assert ("recorded without its sound" in caplog.text) == (channels == 9)


def test_a_packet_that_cannot_be_decoded_is_left_out(tmp_path: Path):
    track, packets = sound.encoded("ac3")
    packets[10] = replace(packets[10], data=b"no such thing")
    record(tmp_path / "a.mp4", track, packets)
    assert sound.heard_s(str(tmp_path / "a.mp4")) == pytest.approx([0.5, 1.5], abs=0.03)


@pytest.mark.parametrize(
    ("name", "codec", "said"),
    [
        ("a.gif", "aac", "GIF holds none; in .mp4 and .mov and .mkv it stays as it is"),
        ("a.webp", "opus", "WebP holds none; in .mp4 and .mkv and .webm it stays as it is"),
        ("a.mp4", "wmav2", "wmav2 cannot be decoded here"),
    ],
)
def test_what_is_left_out_is_told_with_what_keeps_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, codec: str, said: str
):
    track, packets = sound.aac(0.1)
    record(tmp_path / name, replace(track, codec=codec), packets, frames=2)
    assert f"{name}: recorded without its sound: {said}" in caplog.text
    with av.open(str(tmp_path / name)) as film:
        assert [stream.type for stream in film.streams] == ["video"]


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_sound_that_the_muxer_refuses_is_no_lack_of_permission_and_no_broken_file(
    tmp_path: Path, name: str
):
    track, packets = sound.aac(1.0)
    header = b"\xff\xf1\x50\x80\x10\x1f\xfc"
    bare = [replace(packet, data=header + packet.data) for packet in packets]
    sink = RecordSink(tmp_path / name, Composer("cutout"))
    with pytest.raises(SinkError, match=f"{name}: cannot be written: ") as refused:
        play(sink, replace(track, extradata=b""), bare)
    assert "permi" not in str(refused.value)
    sink.close()
    with av.open(str(tmp_path / name)) as film:
        assert len(list(film.decode(video=0))) > 0
