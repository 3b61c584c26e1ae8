"""Publishing into real media servers, which say what arrived."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import pytest

from streamer.packets import AudioPacket, AudioTrack, VideoPacket, VideoTrack
from streamer.serving.publishing.publisher import Publisher
from streamer.serving.publishing.target import Target, parse_target
from streamer.serving.rtsp import TlsFiles
from tests.peers.media_servers import (
    PATIENCE_S,
    encode,
    encode_sound,
    ffmpeg_listener,
    free_port,
    gstreamer,
)
from tests.unit.serving.rtsp.certificates import make_certificate
from tests.waiting import wait_for


@contextmanager
def publishing(to: str | Target, video: VideoTrack, audio: AudioTrack | None = None, **how: object):
    target = parse_target(to) if isinstance(to, str) else to
    publisher = Publisher(target, video, audio, first_s=0.1, max_s=0.2, **how)
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.close()
    assert publisher.statistics()["state"] == "ended"


def wait_live(publisher: Publisher) -> None:
    wait_for(lambda: publisher.statistics()["state"] == "live")


@contextmanager
def streaming(publisher: Publisher, packets: list[VideoPacket]) -> Iterator[None]:
    """Send *packets* over and over, as a camera would, until the block ends."""
    done = threading.Event()
    length = packets[-1].pts - packets[0].pts + 3600

    def send() -> None:
        for turn in itertools.count():
            for packet in packets:
                if done.wait(0.01):
                    return
                publisher.send_video(
                    VideoPacket(packet.data, packet.pts + turn * length, packet.key, 0)
                )

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        done.set()
        sender.join()


def read(path: Path) -> dict[str, list[Fraction]]:
    """The seconds of every packet in *path*, by codec."""
    with av.open(str(path)) as container:
        found: dict[str, list[Fraction]] = {}
        for packet in container.demux():
            if packet.size and packet.pts is not None:
                name = packet.stream.codec_context.name
                found.setdefault(name, []).append(packet.pts * packet.time_base)
    return found


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_an_rtsp_listener_gets_every_frame_from_time_zero(tmp_path, codec, transport):
    track, packets = encode(codec)
    path = tmp_path / "got.mkv"
    with ffmpeg_listener("rtsp", path) as (url, ffmpeg):
        with publishing(parse_target(url, transport), track) as publisher:
            wait_live(publisher)
            assert publisher.take_key_request()
            for packet in packets:
                publisher.send_video(packet)
                time.sleep(0.005 if transport == "udp" else 0)  # UDP keeps what has room
            wait_for(lambda: publisher.statistics()["packets"] == len(packets))
        ffmpeg.wait(PATIENCE_S)
    times = read(path)[codec]
    assert len(times) == len(packets)
    assert times[0] < Fraction(1, 10)
    # ffmpeg does not trust the first frame's time, of its own streams neither, and says 0 twice.
    steps = {later - earlier for earlier, later in itertools.pairwise(times[1:])}
    assert steps == {Fraction(1, 25)}
    assert publisher.statistics()["drops"] == 0
    assert publisher.statistics()["bytes"] == sum(len(packet.data) for packet in packets)


@pytest.mark.parametrize(
    ("scheme", "codec"), [("rtsp", "aac"), ("rtsp", "opus"), ("rtsp", "pcm_mulaw"), ("rtmp", "aac")]
)
def test_sound_and_picture_share_their_beginning(tmp_path, scheme, codec):
    track, packets = encode()
    sound, noises = encode_sound(codec, 2.4)
    path = tmp_path / "got.mkv"
    by_time: list[tuple[Fraction, VideoPacket | AudioPacket]] = [
        *((packet.pts * track.time_base, packet) for packet in packets),
        *((noise.pts * sound.time_base, noise) for noise in noises),
    ]
    with ffmpeg_listener(scheme, path) as (url, ffmpeg):
        with publishing(url, track, sound) as publisher:
            wait_live(publisher)
            for _, packet in sorted(by_time, key=lambda entry: entry[0]):
                if isinstance(packet, VideoPacket):
                    publisher.send_video(packet)
                else:
                    publisher.send_audio(packet)
                time.sleep(0.002)  # a queue's worth comes in no time otherwise
        ffmpeg.wait(PATIENCE_S)
    found = read(path)
    statistics = publisher.statistics()
    assert statistics["packets"] + statistics["drops"] == len(by_time)
    assert statistics["drops"] <= 3  # sound from before the first frame
    assert len(found["h264"]) == len(packets)
    assert len(found[codec]) >= len(noises) - 4
    assert abs(found["h264"][0] - found[codec][0]) < Fraction(1, 10)
    assert abs(found["h264"][-1] - found[codec][-1]) < Fraction(2, 10)


def test_a_gstreamer_server_decodes_every_frame():
    track, packets = encode()
    with (
        gstreamer() as server,
        publishing(f"rtsp://127.0.0.1:{server.port}/live", track) as publisher,
    ):
        wait_live(publisher)
        for packet in packets:
            publisher.send_video(packet)
        assert server.wait_frames(len(packets)) == len(packets)


def test_a_server_with_digest_takes_the_right_password_only(caplog):
    caplog.set_level("DEBUG")
    track, packets = encode()
    with gstreamer("joe", "s3cret") as server:
        place = f"127.0.0.1:{server.port}/live"
        with publishing(f"rtsp://joe:wr0ng@{place}", track) as publisher:
            wait_for(lambda: publisher.statistics()["last_error"])
            assert publisher.statistics()["last_error"] == (
                f"rtsp://{place}: 401 unauthorized: check user and password in the URL"
            )
        with publishing(f"rtsp://joe:s3cret@{place}", track) as publisher:
            wait_live(publisher)
            for packet in packets:
                publisher.send_video(packet)
            assert server.wait_frames(len(packets)) == len(packets)
    assert "s3cret" not in caplog.text
    assert "wr0ng" not in caplog.text


def test_a_missing_path_is_named():
    track, _ = encode(frames=1)
    with gstreamer() as server:
        url = f"rtsp://127.0.0.1:{server.port}/elsewhere"
        with publishing(url, track) as publisher:
            wait_for(lambda: publisher.statistics()["last_error"])
    assert "404 not found: check the path" in str(publisher.statistics()["last_error"])


def test_an_rtmp_listener_gets_every_frame_and_no_text_has_the_stream_key(tmp_path, caplog):
    caplog.set_level("DEBUG")
    track, packets = encode()
    path = tmp_path / "got.flv"
    with ffmpeg_listener("rtmp", path) as (url, ffmpeg):
        with publishing(url, track) as publisher:
            wait_live(publisher)
            for packet in packets:
                publisher.send_video(packet)
        ffmpeg.wait(PATIENCE_S)
    assert len(read(path)["h264"]) == len(packets)
    assert publisher.name.endswith("/live/***")
    assert "k3y" not in caplog.text + repr(publisher) + str(publisher.statistics())


def test_a_server_that_goes_and_returns_is_reached_again(tmp_path):
    track, packets = encode()
    port = free_port()
    url = f"rtsp://127.0.0.1:{port}/live/k3y"
    first, second = tmp_path / "first.mkv", tmp_path / "second.mkv"
    with publishing(url, track, stall_s=2) as publisher, streaming(publisher, packets):
        wait_for(lambda: "refused" in str(publisher.statistics()["last_error"]))
        assert publisher.statistics()["state"] == "connecting"
        with ffmpeg_listener("rtsp", first, port):
            wait_for(lambda: publisher.statistics()["packets"] > 60)
        wait_for(lambda: publisher.statistics()["state"] == "reconnecting")
        before = publisher.statistics()["packets"]
        with ffmpeg_listener("rtsp", second, port) as (_, ffmpeg):
            wait_for(lambda: publisher.statistics()["packets"] > before + 60)
            publisher.close()
            ffmpeg.wait(PATIENCE_S)
        assert publisher.statistics()["restarts"] >= 2
    times = read(second)["h264"]
    assert times[0] < Fraction(1, 10)
    assert len(times) > 60


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("how", ["trusted", "unchecked"])
def test_every_frame_arrives_over_tls(certificate, how):
    track, packets = encode()
    trust = {"tls_ca": str(certificate.cert)} if how == "trusted" else {"tls_verify": False}
    with gstreamer(tls=certificate) as server:
        target = parse_target(f"rtsps://127.0.0.1:{server.port}/live", **trust)
        with publishing(target, track) as publisher:
            wait_live(publisher)
            for packet in packets:
                publisher.send_video(packet)
            assert server.wait_frames(len(packets)) == len(packets)


def test_a_server_whose_certificate_is_not_trusted_gets_nothing(certificate):
    track, packets = encode()
    with gstreamer("joe", "s3cret", certificate) as server:
        place = f"127.0.0.1:{server.port}/live"
        target = parse_target(f"rtsps://joe:s3cret@{place}")
        with publishing(target, track) as publisher, streaming(publisher, packets):
            wait_for(lambda: publisher.statistics()["restarts"] >= 1)
        assert server.wait_frames(0) == 0
    assert publisher.statistics()["packets"] == 0
    assert publisher.statistics()["last_error"] == (
        f"rtsps://{place}: no secure connection: its certificate is not trusted, or is another "
        "host's: name its authority in tls_ca, or set tls_verify: false"
    )
