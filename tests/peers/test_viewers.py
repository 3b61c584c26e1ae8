"""The server's streams in real players."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from streamer.packets import VideoCodec
from streamer.serving.rtsp import Credentials, RtspServer, TlsFiles
from tests.peers.viewers import Viewer, ffmpeg, ffprobe, gstreamer, vlc, vlc_speaks_rtsp
from tests.unit.serving.rtsp.certificates import make_certificate
from tests.unit.serving.rtsp.streams import Encoder, Feeder, tone

FRAMES = 75
FPS = 50
SIZE = (320, 240)
ME = Credentials("me", "s3cret-pass")


@dataclass
class Live:
    server: RtspServer
    feeder: Feeder
    url: str


@contextmanager
def live(
    codec: VideoCodec = "h264",
    credentials: Credentials | None = None,
    audio: str | None = None,
    tls: TlsFiles | None = None,
) -> Iterator[Live]:
    """A server with a stream that runs."""
    server = RtspServer("127.0.0.1", 0, credentials, tls)
    server.start()
    try:
        track, packets = tone(audio, 30) if audio else (None, None)
        encoder = Encoder(codec, SIZE, FPS)
        mount = server.mount("/masked", encoder.track, track)
        user = f"{credentials.user}:{credentials.password}@" if credentials else ""
        host, port = server.address
        scheme = "rtsps" if tls else "rtsp"
        with Feeder(mount, encoder, packets) as feeder:
            yield Live(server, feeder, f"{scheme}://{user}{host}:{port}/masked")
    finally:
        server.stop()


@pytest.fixture(scope="module")
def open_stream() -> Iterator[Live]:
    with live() as running:
        yield running


@pytest.fixture(scope="module")
def guarded_stream() -> Iterator[Live]:
    with live(credentials=ME) as running:
        yield running


@pytest.fixture(autouse=True)
def no_thread_is_left_behind() -> None:
    """The streams here run longer than one test; the module's end checks that they are gone."""


@pytest.fixture(scope="module", autouse=True)
def no_thread_is_left_by_the_module() -> Iterator[None]:
    yield
    assert not [t.name for t in threading.enumerate() if t.name.startswith("streamer-")]


def watch(viewer: Viewer, stream: Live, transport: str, folder, codec: str = "h264") -> None:
    seen = viewer(stream.url, codec, transport, FRAMES, folder)
    assert seen.size == SIZE
    assert len(seen.times_s) >= 0.95 * FRAMES
    assert seen.rises()
    assert seen.complete(FPS) >= 0.95


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("viewer", [ffmpeg, gstreamer, vlc])
def test_a_player_that_joins_a_running_stream_sees_it_whole(
    open_stream, viewer, transport, tmp_path
):
    watch(viewer, open_stream, transport, tmp_path)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("viewer", [ffmpeg, gstreamer, vlc])
def test_a_player_with_the_password_sees_it_whole(guarded_stream, viewer, transport, tmp_path):
    watch(viewer, guarded_stream, transport, tmp_path)


@pytest.mark.parametrize("viewer", [ffmpeg, gstreamer])
def test_a_player_with_a_wrong_password_sees_nothing(guarded_stream, viewer, tmp_path):
    url = guarded_stream.url.replace(ME.password, "wrong")
    with pytest.raises(AssertionError, match=r"401|[Uu]nauthorized"):
        viewer(url, "h264", "tcp", FRAMES, tmp_path)


@pytest.mark.parametrize("viewer", [ffmpeg, gstreamer])
def test_h265_is_seen_whole(viewer, tmp_path):
    with live("hevc") as stream:
        watch(viewer, stream, "tcp", tmp_path, "hevc")
        watch(viewer, stream, "udp", tmp_path, "hevc")


def test_an_encrypted_stream_is_seen_whole(tmp_path):
    with live(credentials=ME, tls=make_certificate(tmp_path)) as stream:
        watch(ffmpeg, stream, "tcp", tmp_path)


def test_five_players_at_once_see_it_whole(open_stream, tmp_path):
    viewers = [(ffmpeg, "tcp"), (ffmpeg, "udp"), (gstreamer, "tcp"), (gstreamer, "udp")]
    viewers.append((vlc if shutil.which("cvlc") and vlc_speaks_rtsp() else ffmpeg, "udp"))
    keys = open_stream.feeder.keys
    with ThreadPoolExecutor(len(viewers)) as pool:
        runs = [
            pool.submit(watch, viewer, open_stream, transport, tmp_path)
            for viewer, transport in viewers
        ]
        for run in runs:
            run.result()
    # Each that joined had a key frame made for it at most: joins do not ruin the stream.
    assert open_stream.feeder.keys - keys <= 2 * len(viewers)


@pytest.mark.parametrize(
    ("codec", "audio", "rate", "channels"),
    [
        ("h264", "aac", "48000", "2"),
        ("hevc", "opus", "48000", "2"),
        ("h264", "pcm_alaw", "8000", "1"),
    ],
)
def test_the_description_tells_codecs_size_and_rates(codec, audio, rate, channels):
    with live(codec, audio=audio) as stream:
        found = ffprobe(stream.url, "tcp")
    video, sound = found["video"], found["audio"]
    assert (video["codec_name"], video["width"], video["height"]) == (codec, "320", "240")
    assert video["r_frame_rate"] == "50/1"
    assert (sound["codec_name"], sound["sample_rate"], sound["channels"]) == (audio, rate, channels)


def test_a_player_s_first_frame_comes_at_once(open_stream, tmp_path):
    # The stream has no key frames but those that viewers ask for.
    started = time.monotonic()
    seen = ffmpeg(open_stream.url, "h264", "tcp", 1, tmp_path)
    assert seen.size == SIZE
    assert time.monotonic() - started < 5
