from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from streamer.compositing import Composer
from streamer.config import ServeAddress
from streamer.errors import ConfigError, SinkError
from streamer.packets import AudioPacket, AudioTrack, VideoPacket, VideoTrack
from streamer.serving.rtsp import RtspServers
from streamer.sinks.relaying.outlets import PublishedOutlet, ServedOutlet, SeveralOutlets
from streamer.sinks.relaying.relay import RelaySink
from streamer.sinks.shared.encoder import EncoderSettings
from tests.unit.sinks.scene import RED, shot, stream_info

SETTINGS = EncoderSettings(encoder="software", preset="ultrafast")


class FakeOutlet:
    """Takes packets while somebody watches."""

    def __init__(self) -> None:
        self.watched = True
        self.wants_key = False
        self.track: VideoTrack | None = None
        self.audio_track: AudioTrack | None = None
        self.audio: list[AudioPacket] = []
        self.packets: list[VideoPacket] = []
        self.closed = 0

    def open(self) -> None:
        pass

    def takes(self, audio: AudioTrack) -> bool:
        return audio.codec == "aac"

    def begin(self, video: VideoTrack, audio: AudioTrack | None) -> None:
        assert self.track is None
        self.track = video
        self.audio_track = audio

    def send_video(self, packet: VideoPacket) -> None:
        self.packets.append(packet)

    def send_audio(self, packet: AudioPacket) -> None:
        self.audio.append(packet)

    def take_key_request(self) -> bool:
        wanted, self.wants_key = self.wants_key, False
        return wanted

    def close(self) -> None:
        self.closed += 1

    def statistics(self) -> dict[str, Any]:
        return {"watched": self.watched}


@pytest.fixture
def outlet() -> FakeOutlet:
    return FakeOutlet()


@pytest.fixture
def sink(outlet: FakeOutlet) -> RelaySink:
    sink = RelaySink(outlet, Composer("cutout"), SETTINGS)
    sink.open(stream_info())
    return sink


def test_it_sends_the_composed_pictures(sink: RelaySink, outlet: FakeOutlet):
    for index in range(3):
        sink.write(*shot(index))
    sink.close()
    decoder = av.CodecContext.create("h264", "r")
    frames = [f for p in outlet.packets for f in decoder.decode(av.Packet(p.data))]
    pictures = [f.to_ndarray(format="bgr24") for f in [*frames, *decoder.decode(None)]]
    assert len(pictures) == 3
    assert np.abs(pictures[-1][8:-8, 8:24].astype(int) - RED).max() < 12
    assert pictures[-1][8:-8, 40:].max() < 12, "the room is black"
    assert outlet.track is not None
    assert (outlet.track.width, outlet.track.height) == (64, 48)


def test_while_nobody_watches_nothing_is_encoded(sink: RelaySink, outlet: FakeOutlet):
    outlet.watched = False
    for index in range(5):
        sink.write(*shot(index))
    assert len(outlet.packets) == 1, "the first says what the stream is"
    outlet.wants_key = outlet.watched = True
    sink.write(*shot(5))
    sink.close()
    assert outlet.packets[-1].key
    assert outlet.packets[-1].pts == 5
    assert sink.statistics()["frames"] == 6
    assert sink.statistics()["encoded"] == 2


def test_a_key_frame_is_made_when_one_is_wanted(sink: RelaySink, outlet: FakeOutlet):
    for index in range(4):
        outlet.wants_key = index == 2
        sink.write(*shot(index))
    sink.close()
    assert [packet.key for packet in outlet.packets] == [True, False, True, False]


AUDIO = AudioTrack("aac", 48000, 2, Fraction(1, 48000), b"\x11\x90")


def test_audio_goes_with_the_pictures_and_not_before_them(outlet: FakeOutlet):
    sink = RelaySink(outlet, Composer("cutout"), SETTINGS)
    sink.open(replace(stream_info(), audio=AUDIO))
    sink.write_audio(AudioPacket(b"early", 0))
    sink.write(*shot(0, pts=30))
    for pts in (47_000, 48_000, 49_024):
        sink.write_audio(AudioPacket(b"a", pts))
    sink.close()
    assert outlet.audio_track == AUDIO
    assert [packet.pts for packet in outlet.audio] == [0, 1024]


def test_audio_that_has_no_place_is_left_out_with_a_warning(
    outlet: FakeOutlet, caplog: pytest.LogCaptureFixture
):
    sink = RelaySink(outlet, Composer("cutout"), SETTINGS)
    sink.open(replace(stream_info(), audio=replace(AUDIO, codec="pcm_s16le")))
    sink.write(*shot(0))
    sink.write_audio(AudioPacket(b"a", 0))
    sink.close()
    assert "relayed without its audio: pcm_s16le" in caplog.text
    assert outlet.audio_track is None
    assert not outlet.audio


def test_several_outlets_have_the_same_packets_from_one_encoder(caplog):
    class Deaf(FakeOutlet):
        def takes(self, audio: AudioTrack) -> bool:
            return False

        def statistics(self) -> dict[str, Any]:
            return {"publish": "rtmp server"}

    one, other = FakeOutlet(), Deaf()
    relay = RelaySink(SeveralOutlets([one, other]), Composer("cutout"), SETTINGS)
    relay.open(replace(stream_info(), audio=AUDIO))
    one.watched, other.watched = False, True
    for index in range(3):
        other.wants_key = index == 2
        relay.write(*shot(index))
    relay.write_audio(AudioPacket(b"sound", 0))
    assert one.packets == other.packets
    assert [packet.key for packet in one.packets] == [True, False, True]
    assert relay.statistics()["encoded"] == 3
    assert (len(one.audio), one.audio_track) == (1, AUDIO)
    assert (len(other.audio), other.audio_track) == (0, None)
    assert caplog.messages == ["rtmp server: relayed without its audio: no place for aac"]
    one.watched = other.watched = False
    relay.write(*shot(3))
    assert relay.statistics()["encoded"] == 3, "nobody watches either"
    relay.close()
    assert (one.closed, other.closed) == (1, 1)


def test_a_way_out_that_cannot_be_had_leaves_none_of_the_others_open():
    class Taken(FakeOutlet):
        def open(self) -> None:
            raise SinkError("is taken")

    one, other = FakeOutlet(), Taken()
    relay = RelaySink(SeveralOutlets([one, other]), Composer("cutout"), SETTINGS)
    with pytest.raises(SinkError, match="is taken"):
        relay.open(stream_info())
    relay.close()
    assert (one.closed, other.closed) == (1, 1)


def serve(servers: RtspServers, url: str) -> RelaySink:
    return RelaySink(
        ServedOutlet(ServeAddress.parse(url), servers, None), Composer("cutout"), SETTINGS
    )


def test_two_streams_share_a_server_until_the_last_ends():
    servers = RtspServers()
    sinks = [serve(servers, f"rtsp://127.0.0.1:0/{name}") for name in ("a", "b")]
    for sink in sinks:
        sink.open(stream_info())
        sink.write(*shot())
    assert sinks[0].statistics()["path"] == "/a"
    sinks[0].close()
    sinks[1].write(*shot(1))
    assert sinks[1].statistics()["viewers"] == 0
    sinks[1].close()
    assert sinks[1].statistics()["viewers_in_all"] == 0


def test_a_path_that_is_taken_is_refused_at_once():
    servers = RtspServers()
    first, second = (serve(servers, "rtsp://127.0.0.1:0/a") for _ in range(2))
    first.open(stream_info())
    with pytest.raises(SinkError, match="another stream has this path"):
        second.open(stream_info())
    second.close()
    first.close()


def test_a_server_is_shared_on_the_same_terms_only():
    servers = RtspServers()
    open_to_all = serve(servers, "rtsp://127.0.0.1:0/a")
    guarded = serve(servers, "rtsp://me:s3cret@127.0.0.1:0/b")
    open_to_all.open(stream_info())
    with pytest.raises(SinkError, match="different users or certificates") as refused:
        guarded.open(stream_info())
    assert "s3cret" not in str(refused.value)
    guarded.close()
    open_to_all.close()


def test_an_address_that_is_taken_is_refused():
    first = serve(RtspServers(), "rtsp://127.0.0.1:0/a")
    first.open(stream_info())
    port = first._outlet._server.address[1]
    second = serve(RtspServers(), f"rtsp://127.0.0.1:{port}/a")
    with pytest.raises(SinkError, match=str(port)):
        second.open(stream_info())
    second.close()
    first.close()


def test_what_cannot_be_published_to_is_told_before_anything_runs():
    with pytest.raises(ConfigError):
        PublishedOutlet("ftp://me:s3cret@127.0.0.1/a", "tcp")


def test_statistics_have_no_credentials():
    sink = serve(RtspServers(), "rtsp://me:s3cret@127.0.0.1:0/a")
    assert "s3cret" not in str(sink.statistics())
