"""Cameras that speak HTTP are live sources like those of RTSP."""

from __future__ import annotations

import socket
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from streamer import Pipeline
from streamer.config import RtspSourceConfig, StandbyConfig
from streamer.engine import Standby
from streamer.errors import (
    CorruptFrame,
    SourceAuthError,
    SourceError,
    SourceLost,
    SourceNotFound,
    SourceTimeout,
    SourceTlsError,
    SourceUnsupported,
    SourceWaiting,
)
from streamer.frame import StreamInfo
from streamer.matting import EveryFrame
from streamer.serving.rtsp import TlsFiles
from streamer.sources import make_source
from streamer.sources.network.rtsp import RtspSource
from tests.fakes import FakeSegmenter, FakeSink
from tests.unit.serving.rtsp.certificates import make_certificate
from tests.unit.sources.clips import encode
from tests.unit.sources.tiny_http import Page, TinyHttp, jpeg, mjpeg, paced, page


class Watched:
    """What a stream delivered, until its end or *most* frames."""

    def __init__(self, url: str, most: int = 1000, **fields: object) -> None:
        config = {"type": "rtsp", "url": url, "read_timeout_s": 3, **fields}
        source = RtspSource(RtspSourceConfig.model_validate(config))
        self.levels: list[int] = []
        self.times_s: list[float] = []
        self.arrived_s: list[float] = []
        self.error: SourceError | None = None
        self.info: StreamInfo | None = None
        self.text = source.name + repr(source)
        try:
            self.info = source.open()
            out = np.zeros((self.info.height, self.info.width, 3), np.uint8)
            while len(self.levels) < most:
                try:
                    grab = source.read(out)
                except (CorruptFrame, SourceWaiting):
                    continue
                assert grab.time_base == self.info.time_base
                self.levels.append(round(float(out.mean()) * 219 / 255 / 4))
                self.times_s.append(float(grab.pts * grab.time_base))
                self.arrived_s.append(grab.captured_ns / 1e9)
        except SourceError as error:
            self.error = error
            self.text += str(error) + repr(error)
        finally:
            source.close()


def refused(url: str, **fields: object) -> SourceError:
    watched = Watched(url, open_timeout_s=2, **fields)
    assert watched.info is None
    assert watched.error is not None
    assert watched.error.__cause__ is None
    return watched.error


@pytest.mark.parametrize("sized", [True, False], ids=["with lengths", "with boundaries only"])
def test_mjpeg_is_timed_by_its_arrival_and_not_at_25_a_second(sized):
    with TinyHttp({"/live": mjpeg(20, fps=10, sized=sized)}) as camera:
        watched = Watched(camera.url("/live"))
    assert watched.info.live
    assert watched.info.fps is None
    assert (watched.info.width, watched.info.height) == (64, 48)
    # The end of a picture without a length is where the next begins.
    assert len(watched.levels) >= 18
    assert watched.levels == list(range(len(watched.levels)))
    # FFmpeg's own times would span 0.76 s; what it read while connecting came at once.
    assert watched.times_s == sorted(set(watched.times_s))
    gaps = [b - a for a, b in pairwise(watched.times_s)]
    assert float(np.median(gaps)) == pytest.approx(0.1, abs=0.03)
    assert isinstance(watched.error, SourceLost)
    assert "the server ended the stream" in str(watched.error)


def test_a_slow_camera_is_there_with_its_first_picture():
    with TinyHttp({"/live": mjpeg(3, fps=0.4)}) as camera:
        begun_s = time.monotonic()
        watched = Watched(camera.url("/live"), most=2)
    assert watched.levels == [0, 1]
    assert watched.arrived_s[0] - begun_s < 2.2, "the second comes after 2.5 s"


@pytest.mark.parametrize(("suffix", "kind"), [("ts", "video/mp2t"), ("flv", "video/x-flv")])
def test_a_transport_stream_or_flv_keeps_its_own_times(tmp_path, suffix, kind):
    clip = encode(tmp_path / f"clip.{suffix}", frames=40)
    with TinyHttp({"/live": paced(clip.read_bytes(), 1.6, kind)}) as camera:
        watched = Watched(camera.url("/live"))
    assert len(watched.levels) >= 5, "less those that came while connecting"
    first = watched.levels[0]
    assert watched.levels == list(range(first, first + len(watched.levels)))
    gaps = [b - a for a, b in pairwise(watched.times_s)]
    assert gaps == pytest.approx([0.04] * len(gaps), abs=0.002)


def hls(folder: Path, *, ended: bool = False) -> dict[str, Page]:
    """Four segments of half a second each as a live playlist, or a finished one."""
    clip = encode(folder / "clip.ts", frames=50)
    list_path = folder / "list.m3u8"
    options = {"hls_time": "0.4", "hls_segment_filename": str(folder / "part%d.ts")}
    with av.open(str(clip)) as read, av.open(str(list_path), "w", options=options) as write:
        stream = write.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                write.mux(packet)
    playlist = list_path.read_text()
    if not ended:
        playlist = playlist.replace("#EXT-X-ENDLIST", "")
    pages = {"/list.m3u8": page(playlist.encode(), "application/vnd.apple.mpegurl")}
    for part in folder.glob("part*.ts"):
        pages[f"/{part.name}"] = page(part.read_bytes(), "video/mp2t", sized=True)
    return pages


def test_hls_is_delivered_at_its_own_pace_and_not_by_the_segment(tmp_path):
    with TinyHttp(hls(tmp_path)) as camera:
        watched = Watched(camera.url("/list.m3u8"), most=20)
    assert len(watched.levels) == 20
    apart = [b - a for a, b in pairwise(watched.arrived_s)]
    assert sum(apart) > 19 * 0.04 - 0.1
    assert float(np.median(apart)) == pytest.approx(0.04, abs=0.015)
    assert watched.levels == list(range(watched.levels[0], watched.levels[0] + 20))


def test_a_finished_playlist_is_a_recording(tmp_path):
    with TinyHttp(hls(tmp_path, ended=True)) as camera:
        error = refused(camera.url("/list.m3u8"))
    assert isinstance(error, SourceUnsupported)
    assert "is a recording of 2 s, not a live stream: download it and use `type: file`" in str(
        error
    )


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_file_on_a_web_server_is_a_recording(tmp_path, suffix):
    clip = encode(tmp_path / f"clip.{suffix}", faststart=suffix == "mp4")
    with TinyHttp({"/clip": page(clip.read_bytes(), "video/mp4", sized=True)}) as camera:
        error = refused(camera.url("/clip"))
    assert isinstance(error, SourceUnsupported)
    assert "is a recording of 2 s" in str(error)


@pytest.mark.parametrize("path", ["/snap.jpg", "/snap"])
def test_a_snapshot_is_no_stream(path):
    with TinyHttp({path: page(jpeg(3), "image/jpeg", sized=True)}) as camera:
        error = refused(camera.url(path))
    assert isinstance(error, SourceUnsupported)
    assert "is a single picture: give the URL of the camera's video" in str(error)


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (401, SourceAuthError, "401 unauthorized: check user and password"),
        (403, SourceAuthError, "403 forbidden"),
        (404, SourceNotFound, "404 not found: check the path"),
        (503, SourceError, "the server refused"),
    ],
)
def test_a_refusal_is_named(status, kind, said):
    with TinyHttp({"/live": page(b"no", "text/plain", status=status)}) as camera:
        error = refused(camera.url("/live", "me:s3cret"))
    assert isinstance(error, kind)
    assert said in str(error)
    assert "s3cret" not in str(error)
    assert "http://***@127.0.0.1" in str(error)


@pytest.mark.parametrize(
    "fields", [{"login": "me:p%40ss%20word"}, {"username": "me", "password": "p@ss word"}]
)
def test_user_and_password_are_sent_and_not_shown(fields):
    login = str(fields.pop("login", ""))
    with TinyHttp({"/live": mjpeg(12, fps=20)}, login="me:p@ss word") as camera:
        watched = Watched(camera.url("/live", login), most=3, **fields)
        assert len(watched.levels) == 3
        error = refused(camera.url("/live", "me:wr0ng"))
    assert isinstance(error, SourceAuthError)
    for secret in ("p@ss", "p%40ss", "wr0ng"):
        assert secret not in watched.text + str(error)


@pytest.mark.parametrize("sized", [True, False])
def test_a_page_is_no_video(sized):
    html = page(b"<html><p>camera</p></html>" * 99, "text/html", sized=sized)
    with TinyHttp({"/": html}) as camera:
        error = refused(camera.url("/"))
    assert "no video" in str(error)
    assert "is it the URL of the stream" in str(error)


def test_a_closed_port_and_an_unknown_host_are_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "connection refused" in str(refused(f"http://127.0.0.1:{port}/live"))
    assert "unknown host" in str(refused("http://no-such-camera.invalid/live"))


def test_a_mute_server_times_out(answering):
    error = refused(f"http://127.0.0.1:{answering(None)}/live")
    assert isinstance(error, SourceTimeout)
    assert "no answer within 2 s: is it a web server that sends video?" in str(error)


def test_a_stream_that_falls_silent_times_out():
    def pieces():
        yield from mjpeg(6, fps=20).pieces()
        for _ in range(40):
            time.sleep(0.1)
            yield b""

    with TinyHttp({"/live": Page("multipart/x-mixed-replace; boundary=frame", pieces)}) as camera:
        watched = Watched(camera.url("/live"), read_timeout_s=0.5)
    assert len(watched.levels) >= 5
    assert isinstance(watched.error, SourceTimeout)
    assert "sent nothing for 0.5 s" in str(watched.error)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("kind", ["mjpeg", "playlist"])
def test_https_is_verified(certificate, tmp_path, caplog, kind):
    pages = hls(tmp_path) | {"/live": mjpeg(20, fps=20)}
    path = "/live" if kind == "mjpeg" else "/list.m3u8"
    with TinyHttp(pages, tls=certificate) as camera:
        url = camera.url(path)
        assert len(Watched(url, most=3, tls_ca=str(certificate.cert)).levels) == 3
        told = "for no segment" in caplog.text
        assert len(Watched(url, most=3, tls_verify=False).levels) == 3
        error = refused(url)
    assert isinstance(error, SourceTlsError)
    assert "tls_ca" in str(error)
    assert told == (kind == "playlist"), "FFmpeg gives its segments none of these options"


def test_a_server_without_tls_is_refused_over_https():
    with TinyHttp({"/live": mjpeg(5, fps=20)}) as camera:
        error = refused(camera.url("/live").replace("http:", "https:"), tls_verify=False)
    assert "it speaks no TLS" in str(error)


def test_a_camera_over_http_that_hangs_up_is_connected_to_again():
    with TinyHttp({"/live": mjpeg(8, fps=20)}) as camera:
        policy = {"first_s": 0.1, "max_s": 0.2}
        config = RtspSourceConfig.model_validate(
            {"type": "rtsp", "url": camera.url("/live"), "reconnect": policy}
        )
        sink = FakeSink()
        pipeline = Pipeline(
            make_source(config),
            EveryFrame(FakeSegmenter()),
            [sink],
            fresh=partial(make_source, config),
            reconnect=config.reconnect,
            standby=Standby(StandbyConfig()),
        )
        deadline = time.monotonic() + 20
        with pipeline:
            pipeline.start()
            while max((stamp.epoch for stamp in list(sink.stamps)), default=0) < 2:
                assert time.monotonic() < deadline, pipeline.report()
                time.sleep(0.02)
        assert len(camera.asked) >= 3
        assert any(stamp.standby for stamp in sink.stamps)


@pytest.mark.parametrize("kind", ["playlist", "script", "redirection"])
def test_no_answer_makes_a_local_file_be_read(tmp_path, kind):
    clip = encode(tmp_path / "secret.ts", frames=20)
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n" + f"#EXTINF:1,\nfile://{clip}\n" * 4
    answers = {
        "playlist": page(playlist.encode(), "application/vnd.apple.mpegurl"),
        "script": page(f"ffconcat version 1.0\nfile 'file:{clip}'\n".encode(), "text/plain"),
        "redirection": page(b"", f"text/plain\r\nLocation: file://{clip}", status=302),
    }
    with TinyHttp({"/live": answers[kind]}) as camera:
        error = refused(camera.url("/live"))
    assert isinstance(error, SourceError)


def test_parts_of_another_name_than_image_jpeg_are_told():
    with TinyHttp({"/cam": mjpeg(20, 25, kind="image/jpg")}) as camera:
        error = refused(camera.url("/cam"))
    assert isinstance(error, SourceUnsupported)
    assert "MJPEG has to mark its parts as image/jpeg" in str(error)
