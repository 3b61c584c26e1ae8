"""What a browser gets of a stream, read back by FFmpeg (PyAV's and Debian's) and box by box."""

from __future__ import annotations

import io
import json
import re
import struct
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import SinkError
from streamer.packets import (
    AudioPacket,
    AudioTrack,
    VideoCodec,
    VideoPacket,
    VideoTrack,
    split_annex_b,
)
from streamer.serving.fragments import Fragments, carries
from tests.media import sound
from tests.peers.installed import require

CODECS: tuple[VideoCodec, ...] = ("h264", "hevc")
ENCODERS = {"h264": "libx264", "hevc": "libx265"}
PARAMETER_SETS = {"h264": (7, 8), "hevc": (32, 33, 34)}
MS = Fraction(1, 1000)
TICKS = 90_000
SETS = (
    bytes.fromhex("6742c00dda0507e840000003004000000ca3c50aa8"),
    bytes.fromhex("68ce0fc8"),
)
PLAIN = VideoTrack("h264", 320, 240, Fraction(25), MS, SETS)
TINY, KEY = b"\0\0\0\1\x41", b"\0\0\0\1\x65"
LC = b"\x11\x90"


def kind(codec: VideoCodec, unit: bytes | memoryview) -> int:
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


def stream(
    codec: VideoCodec,
    times: list[int] | None = None,
    *,
    time_base: Fraction = MS,
    keys: tuple[int, ...] = (0, 6),
    size: tuple[int, int] = (64, 48),
    options: str = "",
) -> tuple[VideoTrack, list[VideoPacket]]:
    """A moving picture, twelve frames of it at 25 fps where nothing else is asked for."""
    width, height = size
    context = av.CodecContext.create(ENCODERS[codec], "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = time_base, Fraction(25)
    context.max_b_frames, context.gop_size, context.thread_count = 0, 1000, 1
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1"}
    if codec == "hevc":
        parameters = "log-level=none:repeat-headers=1:pools=none:frame-threads=1"
        context.options |= {"x265-params": parameters + options}
    elif options:
        context.options |= {"x264-params": options}
    noise = np.random.default_rng(1).integers(40, 200, (height, width, 3), np.uint8)
    packets = []
    for number, pts in enumerate(times or range(0, 480, 40)):
        picture = np.roll(noise, 3 * number, axis=1)
        frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuv420p")
        frame.pts, frame.time_base = pts, time_base
        if number in keys:
            frame.pict_type = PictureType.I
        (packet,) = context.encode(frame)
        packets.append(VideoPacket(bytes(packet), pts, packet.is_keyframe, 0))
    context.encode(None)
    units = split_annex_b(packets[0].data)
    sets = tuple(bytes(u) for u in units if kind(codec, u) in PARAMETER_SETS[codec])
    return VideoTrack(codec, width, height, Fraction(25), time_base, sets), packets


def muxed(track: VideoTrack, packets: list[VideoPacket]) -> bytes:
    made = Fragments(track, None)
    return made.opening.data + b"".join(made.video(packet) for packet in packets)


def pictures(codec: VideoCodec, packets: list[VideoPacket]) -> list[np.ndarray]:
    """The packets decoded as they are."""
    decoder = av.CodecContext.create(codec, "r")
    frames = [f for p in packets for f in decoder.decode(av.Packet(p.data))]
    return [f.to_ndarray() for f in [*frames, *decoder.decode(None)]]


@dataclass(frozen=True)
class Sample:
    """What a fragment says of its sample."""

    number: int
    track: int
    decoded: int
    length: int
    key: bool
    offset: int
    data: bytes

    @property
    def shown(self) -> int:
        return self.decoded + self.offset


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    while data:
        size, name = struct.unpack_from(">I4s", data)
        found.append((name, data[8:size]))
        data = data[size:]
    return found


def sample(fragment: bytes) -> Sample:
    (moof, inside), (mdat, data) = boxes(fragment)
    assert (moof, mdat) == (b"moof", b"mdat")
    (_, header), (_, traf) = boxes(inside)
    (_, tfhd), (_, tfdt), (_, trun) = boxes(traf)
    assert tfdt[0] == 1
    count, begin, length, size, flags, offset = struct.unpack_from(">IiIIIi", trun, 4)
    assert (count, size) == (1, len(data))
    assert fragment[begin:] == data
    return Sample(
        int.from_bytes(header[4:], "big"),
        int.from_bytes(tfhd[4:], "big"),
        int.from_bytes(tfdt[4:], "big"),
        length,
        {0x2000000: True, 0x1010000: False}[flags],
        offset,
        data,
    )


def placed(times: list[int], track: VideoTrack = PLAIN) -> list[Sample]:
    """The fragments of tiny packets at *times*."""
    made = Fragments(track, None)
    return [sample(made.video(VideoPacket(TINY, pts, False, 0))) for pts in times]


@pytest.mark.parametrize("codec", CODECS)
def test_every_packet_becomes_one_frame_with_its_picture_time_and_key_flag(codec: VideoCodec):
    track, packets = stream(codec)
    with av.open(io.BytesIO(muxed(track, packets))) as film:
        frames = list(film.decode(video=0))
    assert [f.pts * f.time_base for f in frames] == [p.pts * MS for p in packets]
    assert [bool(f.key_frame) for f in frames] == [p.key for p in packets]
    for frame, picture in zip(frames, pictures(codec, packets), strict=True):
        assert np.array_equal(frame.to_ndarray(), picture)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [(66, 50), (130, 34)])
def test_another_program_finds_the_same_frames_and_nothing_to_complain_of(
    codec: VideoCodec, size: tuple[int, int], tmp_path: Path
):
    require("ffprobe", "ffmpeg")
    track, packets = stream(codec, size=size)
    path = tmp_path / "film.mp4"
    path.write_bytes(muxed(track, packets))
    told = subprocess.run(
        ["ffprobe", "-v", "warning", "-show_frames", "-show_streams", "-of", "json", str(path)],
        capture_output=True,
        check=True,
    )
    assert told.stderr == b""
    read = json.loads(told.stdout)
    assert [s["codec_tag_string"] for s in read["streams"]] == [
        "avc1" if codec == "h264" else "hvc1"
    ]
    assert {(f["width"], f["height"]) for f in read["frames"]} == {size}
    assert [f["pts"] for f in read["frames"]] == [p.pts * 90 for p in packets]
    assert [bool(f["key_frame"]) for f in read["frames"]] == [p.key for p in packets]


@pytest.mark.parametrize("codec", CODECS)
def test_a_viewer_who_comes_later_begins_at_a_key_frame(codec: VideoCodec):
    track, packets = stream(codec)
    made = Fragments(track, None)
    fragments = [made.video(packet) for packet in packets]
    with av.open(io.BytesIO(made.opening.data + b"".join(fragments[6:]))) as film:
        frames = list(film.decode(video=0))
    assert [f.pts * f.time_base for f in frames] == [p.pts * MS for p in packets[6:]]
    late = pictures(codec, packets[6:])
    assert all(
        np.array_equal(f.to_ndarray(), picture) for f, picture in zip(frames, late, strict=True)
    )


@pytest.mark.parametrize("codec", ["aac", "opus"])
def test_sound_goes_beside_the_pictures_sample_for_sample(codec: str):
    track, packets = stream("h264")
    noise, sounds = sound.encoded(codec)
    sounds = [packet for packet in sounds if packet.pts >= 0]
    made = Fragments(track, noise)
    data = made.opening.data + b"".join(made.video(packet) for packet in packets)
    data += b"".join(made.audio(packet) for packet in sounds)
    with av.open(io.BytesIO(data)) as film:
        read = [p for p in film.demux(audio=0) if p.size]
    assert [bytes(p) for p in read] == [p.data for p in sounds]
    shift = read[0].pts - sounds[0].pts  # FFmpeg counts Opus from after its delay
    assert [p.pts - shift for p in read] == [p.pts for p in sounds]
    with av.open(io.BytesIO(data)) as film:
        heard = np.concatenate([f.to_ndarray()[0] for f in film.decode(audio=0)])
    loud = np.flatnonzero(np.abs(heard) > 0.3 * np.abs(heard).max()) / sound.RATE
    assert loud[0] == pytest.approx(0.5, abs=0.03)
    assert loud[-1] == pytest.approx(1.5 + sound.BEEP_S, abs=0.03)


def test_the_type_names_profile_and_level_and_the_sound():
    opening = Fragments(PLAIN, AudioTrack("aac", 48_000, 2, Fraction(1, 48_000), LC)).opening
    assert opening.mime == 'video/mp4; codecs="avc1.42c00d,mp4a.40.2"'
    assert (opening.width, opening.height) == (320, 240)
    assert [name for name, _ in boxes(opening.data)] == [b"ftyp", b"moov"]


def test_the_type_of_hevc_names_what_its_record_begins_with():
    track, _ = stream("hevc", size=(320, 240))
    mime = Fragments(track, AudioTrack("opus", 48_000, 2, Fraction(1, 48_000))).opening.mime
    assert re.fullmatch(r'video/mp4; codecs="hvc1\.1\.6\.L[0-9]+\.90,opus"', mime)


@pytest.mark.parametrize(
    ("codec", "channels", "configuration", "carried"),
    [
        ("aac", 2, LC, True),
        ("aac", 2, b"\x2b\x11\x88", True),  # HE
        ("aac", 2, b"\xeb\x09\x88", True),  # HE with parametric stereo
        ("aac", 2, b"\xb9\x11\x90", False),  # low delay
        ("aac", 2, b"", False),
        ("opus", 2, b"", True),
        ("opus", 6, b"", False),
        ("pcm_alaw", 1, b"", False),
        ("mp3", 2, b"", False),
    ],
)
def test_sound_is_carried_if_browsers_play_it(
    codec: str, channels: int, configuration: bytes, carried: bool
):
    track = AudioTrack(codec, 48_000, channels, Fraction(1, 48_000), configuration)
    assert carries(track) is carried
    if not carried:
        with pytest.raises(ValueError, match=f"audio {codec}: browsers do not play it"):
            Fragments(PLAIN, track)


def test_sound_is_refused_where_the_stream_has_none():
    with pytest.raises(ValueError, match="no audio"):
        Fragments(PLAIN, None).audio(AudioPacket(b"\x21", 0))


@pytest.mark.parametrize("sets", [(), SETS[:1], SETS[1:]])
def test_a_stream_without_its_parameter_sets_cannot_begin(sets: tuple[bytes, ...]):
    with pytest.raises(SinkError, match="not all of its parameter sets"):
        Fragments(VideoTrack("h264", 320, 240, None, MS, sets), None)


def test_other_parameter_sets_than_the_tracks_are_refused():
    track, _ = stream("h264")
    _, packets = stream("h264", size=(80, 48))
    with pytest.raises(ValueError, match="other parameter sets"):
        Fragments(track, None).video(packets[0])


@pytest.mark.parametrize(
    ("codec", "options", "kinds"),
    [("h264", "slices=3:aud=1", [6, 5, 5, 5]), ("hevc", ":aud=1", [39, 20])],
)
def test_a_sample_has_slices_and_messages_but_no_parameter_sets_or_delimiter(
    codec: VideoCodec, options: str, kinds: list[int]
):
    track, packets = stream(codec, [0], size=(64, 256), options=options)
    data = sample(Fragments(track, None).video(packets[0])).data
    units = []
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        units.append(data[4:end])
        data = data[end:]
    assert [kind(codec, unit) for unit in units] == kinds
    assert all(unit in split_annex_b(packets[0].data) for unit in units)


def test_fragments_of_both_tracks_are_numbered_together():
    track = AudioTrack("aac", 48_000, 2, Fraction(1, 48_000), LC)
    made = Fragments(PLAIN, track)
    samples = [
        sample(made.video(VideoPacket(KEY, 0, True, 0))),
        sample(made.audio(AudioPacket(b"\x21", 0))),
        sample(made.video(VideoPacket(TINY, 40, False, 0))),
    ]
    assert [(s.number, s.track, s.key) for s in samples] == [
        (1, 1, True),
        (2, 2, True),
        (3, 1, False),
    ]


@pytest.mark.parametrize("base", [MS, Fraction(1, 15_360), Fraction(1, 12_345), Fraction(1, 10**9)])
def test_hours_later_times_are_as_exact_as_at_first(base: Fraction):
    track = VideoTrack("h264", 320, 240, None, base, SETS)
    times = [round((100 * 3600 + Fraction(n, 30)) / base) for n in range(40)]
    for pts, made in zip(times, placed(times, track), strict=True):
        assert abs(made.shown - pts * base * TICKS) <= Fraction(1, 2)


def test_times_below_zero_are_moved_up_by_whole_seconds():
    assert [s.shown for s in placed([-2_500, -2_000, 100])] == [135_000, 180_000, 369_000]


def test_packets_closer_than_a_tick_stay_apart():
    track = VideoTrack("h264", 320, 240, None, Fraction(1, 10**9), SETS)
    assert [s.shown for s in placed([0, 1, 2, 1_000_000], track)] == [0, 1, 2, 90]


@given(
    st.lists(st.integers(1, 100_000), min_size=1, max_size=60),
    st.sampled_from([Fraction(1, 1000), Fraction(1, 15_360), Fraction(1, 90_000)]),
)
def test_at_any_pace_no_player_finds_a_break_in_decoding(steps: list[int], base: Fraction):
    times = [sum(steps[:n]) for n in range(len(steps) + 1)]
    samples = placed(times, VideoTrack("h264", 320, 240, None, base, SETS))
    for pts, made in zip(times, samples, strict=True):
        assert abs(made.shown - pts * base * TICKS) <= Fraction(1, 2)
        assert made.offset >= 0
        assert 1 <= made.length <= TICKS
    for one, other in pairwise(samples):
        assert one.decoded < other.decoded <= one.decoded + max(1, 2 * one.length)


def test_at_an_even_pace_pictures_overlap_a_little_and_leave_no_hole():
    for one, other in pairwise(placed(list(range(0, 1000, 40)))[1:]):
        assert other.offset == 0
        assert one.shown + one.length == other.shown + 1800


def test_after_a_pause_decoding_catches_up_with_presentation():
    samples = placed([0, 40, *range(10_040, 25_000, 40)])
    assert samples[2].offset > 8 * TICKS
    assert samples[-1].offset == 0


def test_sound_never_overlaps_what_follows_a_loss():
    track = AudioTrack("opus", 48_000, 2, Fraction(1, 48_000))
    made = Fragments(PLAIN, track)
    times = [n * 960 for n in range(20) if n not in (7, 8, 9, 10)]
    samples = [sample(made.audio(AudioPacket(b"\xfc", pts))) for pts in times]
    assert [s.shown for s in samples] == times
    for one, other in pairwise(samples):
        assert one.shown + one.length <= other.shown


def test_opus_counts_at_48_khz_whatever_the_source_says():
    made = Fragments(PLAIN, AudioTrack("opus", 16_000, 1, Fraction(1, 16_000)))
    samples = [sample(made.audio(AudioPacket(b"\xfc", n * 320))) for n in range(3)]
    assert [s.shown for s in samples] == [0, 960, 1920]
