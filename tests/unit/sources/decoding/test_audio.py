"""The sound that comes beside the frames: when it is heard, and when there is none."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.config import FileSourceConfig, RtspSourceConfig
from streamer.errors import EndOfStream
from streamer.frame import StreamInfo
from streamer.packets import AudioPacket
from streamer.protocols import Source
from streamer.serving.muxing import CopiedStream, add_audio
from streamer.sources.decoding.sound import Sound, has_adts
from streamer.sources.file import FileSource
from streamer.sources.network.rtsp import RtspSource
from tests.media import sound
from tests.unit.sources.clips import encode
from tests.unit.sources.live import Camera


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds with beeps at 0.5 s and 1.5 s."""
    return encode(tmp_path_factory.mktemp("sound") / "a.mp4", beeps_s=(0.5, 1.5))


def read_all(source: Source, frames: int | None = None) -> tuple[StreamInfo, list[AudioPacket]]:
    """What is heard until the end, or beside so many frames; none comes before its frame."""
    info = source.open()
    image = np.empty((info.height, info.width, 3), np.uint8)
    heard: list[AudioPacket] = []
    read = 0
    try:
        while frames is None or read < frames:
            heard += source.read(image).audio
            read += 1
    except EndOfStream as end:
        heard += end.audio
    finally:
        source.close()
    return info, heard


def file(path: Path, **fields: object) -> FileSource:
    return FileSource(
        FileSourceConfig.model_validate({"type": "file", "path": str(path), **fields})
    )


def beeps_s(info: StreamInfo, heard: list[AudioPacket]) -> list[float]:
    """Where the beeps begin in what was heard, by the packets' own times."""
    assert info.audio is not None
    decoder = av.CodecContext.create(info.audio.codec, "r")
    decoder.extradata = info.audio.extradata
    found: list[float] = []
    for packet in heard:
        sent = av.Packet(packet.data)
        sent.pts, sent.time_base = packet.pts, info.audio.time_base
        for frame in decoder.decode(sent):
            loud = np.abs(frame.to_ndarray()).max() > 0.2
            at_s = float(packet.pts * info.audio.time_base)
            if loud and (not found or at_s - found[-1] > 0.2):
                found.append(at_s)
    return found


def test_all_of_a_files_sound_comes_with_its_times(clip: Path):
    info, heard = read_all(file(clip))
    assert info.audio is not None
    assert (info.audio.codec, info.audio.sample_rate, info.audio.channels) == ("aac", 48000, 1)
    with av.open(str(clip)) as container:
        written = [bytes(p) for p in container.demux(audio=0) if p.size and p.pts >= 0]
    assert [packet.data for packet in heard] == written
    assert beeps_s(info, heard) == pytest.approx([0.5, 1.5], abs=0.03)


def test_a_part_has_its_own_sound_only(clip: Path):
    info, heard = read_all(file(clip, start_s=1.0, duration_s=0.6))
    assert info.audio is not None
    times_s = [float(packet.pts * info.audio.time_base) for packet in heard]
    assert 1.0 <= min(times_s) < 1.03
    assert 1.56 < max(times_s) < 1.6
    assert beeps_s(info, heard) == pytest.approx([1.5], abs=0.03)


def test_the_sound_of_a_part_is_whole_where_it_comes_later_in_the_file(clip: Path, tmp_path: Path):
    path = tmp_path / "late.mkv"
    options = {"max_interleave_delta": "1"}
    with av.open(str(clip)) as read, av.open(str(path), "w", options=options) as write:
        streams = {s.index: write.add_stream_from_template(s) for s in read.streams}
        packets = [packet for packet in read.demux() if packet.dts is not None]
        late_s = {stream.index: 0.5 * (stream.type == "audio") for stream in read.streams}
        packets.sort(key=lambda p: float(p.dts * p.time_base) + late_s[p.stream.index])
        for packet in packets:
            packet.stream = streams[packet.stream.index]
            write.mux(packet)
    info, heard = read_all(file(path, duration_s=1.0))
    assert info.audio is not None
    assert float(heard[-1].pts * info.audio.time_base) > 0.96
    assert beeps_s(info, heard) == pytest.approx([0.5], abs=0.05)


def test_the_sound_of_a_loop_goes_on_in_time(clip: Path):
    info, heard = read_all(file(clip, loop=True), frames=100)
    times = [packet.pts for packet in heard]
    assert times == sorted(set(times))
    assert beeps_s(info, heard) == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.03)


@pytest.mark.parametrize("fields", [{"audio": False}, {"speed": 2.0}])
def test_there_is_none_where_it_is_not_wanted_or_would_not_fit(clip: Path, fields):
    info, heard = read_all(file(clip, **fields))
    assert info.audio is None
    assert heard == []


def test_a_clip_without_sound_says_so(small_clip: Path):
    info, heard = read_all(file(small_clip))
    assert info.audio is None
    assert heard == []


BEEPS_S = tuple(n + 0.5 for n in range(10))


def rtsp(url: str, **fields: object) -> RtspSource:
    return RtspSource(RtspSourceConfig.model_validate({"type": "rtsp", "url": url, **fields}))


def test_a_cameras_sound_is_on_its_pictures_timeline():
    with Camera(sound.aac(10.0, BEEPS_S)) as camera:
        source = rtsp(camera.url)
        info = source.open()
        image = np.empty((info.height, info.width, 3), np.uint8)
        heard: list[AudioPacket] = []
        first = source.read(image)
        # Frame n of the camera has the grey 2 * n: from it the camera's own time is known.
        shift_s = float(first.pts * first.time_base) - (int(image[0, 0].mean()) // 2) / 25
        for _ in range(60):
            heard += source.read(image).audio
        source.close()
    found = beeps_s(info, heard)
    assert found
    for at_s in found:
        assert (at_s - shift_s) % 1.0 == pytest.approx(0.5, abs=0.08)


def test_a_cameras_sound_may_be_left_where_it_is():
    with Camera(sound.aac(10.0, BEEPS_S)) as camera:
        info, heard = read_all(rtsp(camera.url, audio=False), frames=20)
    assert info.audio is None
    assert heard == []


def adts(path: Path) -> Path:
    """A transport stream of two seconds with beeps: AAC with a header before each packet."""
    plain = encode(path.with_suffix(".mp4"), beeps_s=BEEPS_S[:2])
    with av.open(str(plain)) as read, av.open(str(path), "w", format="mpegts") as written:
        streams = {s.index: written.add_stream_from_template(s) for s in read.streams}
        for packet in read.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                written.mux(packet)
    return path


@pytest.mark.parametrize("name", ["a.ts", "a.mts", "a.m2ts"])
def test_aac_from_a_transport_stream_is_as_plain_as_that_of_a_film(tmp_path: Path, name: str):
    info, heard = read_all(file(adts(tmp_path / name)))
    with av.open(str(tmp_path / "a.mp4")) as container:
        config = bytes(container.streams.audio[0].codec_context.extradata)
        written = [bytes(p) for p in container.demux(audio=0) if p.size]
    assert info.audio is not None
    assert (info.audio.codec, info.audio.extradata) == ("aac", config[:2])
    sent = [packet.data for packet in heard]
    assert len(sent) >= len(written) - 1
    assert sent == written[-len(sent) :]
    assert not any(has_adts(data) for data in sent)


def test_no_frame_is_lost_to_reading_ahead_for_the_sounds_form(tmp_path: Path):
    source = file(adts(tmp_path / "a.ts"))
    info = source.open()
    image = np.empty((info.height, info.width, 3), np.uint8)
    times = [source.read(image).pts * info.time_base for _ in range(50)]
    assert np.diff([float(at_s) for at_s in times]) == pytest.approx([0.04] * 49)
    with pytest.raises(EndOfStream):
        source.read(image)
    source.close()


def test_a_part_of_a_transport_stream_has_plain_sound_too(tmp_path: Path):
    info, heard = read_all(file(adts(tmp_path / "a.ts"), start_s=1.0))
    assert info.audio is not None
    assert len(heard) > 40
    assert not any(has_adts(packet.data) for packet in heard)


def demuxed(data: list[bytes]) -> list[av.Packet]:
    """Packets of the first sound of a film, with *data* in place of theirs."""
    stream = av.open(io.BytesIO(silent_adts(len(data))), "r", format="aac").streams.audio[0]
    made = []
    for number, content in enumerate(data):
        packet = av.Packet(content)
        packet.stream, packet.pts = stream, number * 1024
        made.append(packet)
    return made


def silent_adts(packets: int) -> bytes:
    content = io.BytesIO()
    track, units = sound.aac((packets + 2) * 1024 / sound.RATE)
    with av.open(content, "w", format="adts") as written:
        copied = CopiedStream(add_audio(written, track), track)
        for unit in units[:packets]:
            written.mux(copied.packet(unit.data, unit.pts, key=True))
    return content.getvalue()


def test_a_broken_packet_between_is_left_out_and_what_follows_is_heard():
    whole = [bytes(p) for p in av.open(io.BytesIO(silent_adts(4)), format="aac").demux() if p.size]
    packets = demuxed([whole[0], b"\xff\xff\xff", b"noise and more", whole[3]])
    heard = Sound(packets[0].stream)
    for packet in heard.read_ahead(iter(packets)):
        heard.hear(packet)
    taken = heard.take()
    assert [packet.pts for packet in taken] == [0, 3 * 1024]
    assert taken[1].data == whole[3][7:]


def test_aac_that_says_nothing_of_itself_is_taken_for_the_common_kind():
    packets = demuxed([b"\x21\x10", b"\x21\x11"])
    heard = Sound(packets[0].stream)
    assert list(heard.read_ahead(iter(packets))) == packets
    assert heard.track is not None
    assert heard.track.extradata == sound.aac(0.1)[0].extradata[:2]
    heard.hear(packets[0])
    assert [packet.data for packet in heard.take()] == [b"\x21\x10"]
