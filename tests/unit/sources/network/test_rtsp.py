from __future__ import annotations

import socket
import time
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from streamer.config import RtspSourceConfig
from streamer.errors import (
    CorruptFrame,
    SourceAuthError,
    SourceError,
    SourceLost,
    SourceNotFound,
    SourceRefused,
    SourceTimeout,
    SourceTlsError,
)
from streamer.packets import AudioPacket, AudioTrack
from streamer.sources.decoding import Timeline
from streamer.sources.network.rtsp import RtspSource
from streamer.sources.network.stream_options import whole_url
from tests.unit.sources.clips import encode
from tests.unit.sources.decoding.interlacing import flagged, verdicts, woven
from tests.unit.sources.decoding.picturing import film, plain
from tests.unit.sources.tiny_rtsp import TinyRtsp, rtp_packets


def refusal(port: int, **fields: object) -> SourceError:
    config = RtspSourceConfig.model_validate(
        {"type": "rtsp", "url": f"rtsp://me:s3cret@127.0.0.1:{port}/live", **fields}
    )
    source = RtspSource(config)
    started = time.monotonic()
    with pytest.raises(SourceError) as refused:
        source.open()
    source.close()
    assert time.monotonic() - started < 10
    for text in (str(refused.value), repr(refused.value), repr(source), source.name):
        assert "s3cret" not in text
        assert "me:" not in text
    assert refused.value.__cause__ is None
    assert "rtsp://***@127.0.0.1" in str(refused.value)
    return refused.value


def test_a_closed_port_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = refusal(port)
    assert isinstance(error, SourceRefused)
    assert "connection refused" in str(error)


def test_a_mute_server_times_out(answering):
    error = refusal(answering(None), open_timeout_s=1)
    assert isinstance(error, SourceTimeout)
    assert isinstance(error, TimeoutError)
    assert "no answer within 1 s" in str(error)


def test_a_wrong_password_is_named(answering):
    error = refusal(answering('401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"'))
    assert isinstance(error, SourceAuthError)
    assert "401 unauthorized: check user and password" in str(error)


def test_a_user_who_may_not_see_it_is_named(answering):
    error = refusal(answering("403 Forbidden"))
    assert isinstance(error, SourceAuthError)
    assert "403 forbidden: this user may not see the stream" in str(error)


def test_a_wrong_path_is_named(answering):
    error = refusal(answering("404 Not Found"))
    assert isinstance(error, SourceNotFound)
    assert "404 not found: check the path" in str(error)


def test_a_failing_server_is_named(answering):
    error = refusal(answering("500 Internal Server Error"))
    assert isinstance(error, SourceRefused)
    assert "the server refused" in str(error)


def test_a_server_that_speaks_something_else_is_named(answering):
    error = refusal(answering("\xff\x00 no RTSP at all"))
    assert isinstance(error, SourceRefused)
    assert "is it an RTSP server" in str(error)


def opened(**fields: object) -> SourceError:
    source = RtspSource(RtspSourceConfig.model_validate({"type": "rtsp", **fields}))
    with pytest.raises(SourceError) as refused:
        source.open()
    source.close()
    return refused.value


def test_an_unknown_host_is_named():
    error = opened(url="rtsp://no-such-camera.invalid/live")
    assert isinstance(error, SourceNotFound)
    assert "unknown host" in str(error)
    assert "%2F" not in str(error)


def test_an_unknown_host_may_be_a_part_of_a_password():
    error = opened(url="rtsp://me:12/s3cret@no-such-camera.invalid/live")
    assert "s3cret" not in str(error)


def test_a_file_of_authorities_that_is_not_there_is_named(tmp_path):
    error = opened(url="rtsps://127.0.0.1/live", tls_ca=str(tmp_path / "none.pem"))
    assert isinstance(error, SourceTlsError)
    assert "none.pem: no such file" in str(error)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_server_that_plays_and_sends_nothing_is_given_up_in_time(transport):
    server = TinyRtsp([], hangs_up=False)
    started = time.monotonic()
    try:
        error = opened(url=server.url, transport=transport, open_timeout_s=1, read_timeout_s=1)
    finally:
        server.close()
    assert isinstance(error, SourceTimeout)
    assert time.monotonic() - started < 4.5


@pytest.fixture(scope="module")
def packets(tmp_path_factory) -> list[bytes]:
    # In Annex B each key frame brings the parameter sets that the description leaves out.
    clip = encode(tmp_path_factory.mktemp("rtsp") / "clip.ts", frames=40)
    return rtp_packets(clip)


@pytest.mark.parametrize(
    ("hangs_up", "kind", "said"),
    [(True, SourceLost, "ended the stream"), (False, SourceTimeout, "sent nothing for 1 s")],
)
def test_frames_come_until_the_server_stops(packets, hangs_up, kind, said):
    server = TinyRtsp(packets, hangs_up=hangs_up)
    source = RtspSource(
        RtspSourceConfig.model_validate(
            {"type": "rtsp", "url": server.url, "read_timeout_s": 1, "open_timeout_s": 3}
        )
    )
    levels, pts, ended = [], [], None
    try:
        info = source.open()
        assert (info.width, info.height, info.live) == (64, 48, True)
        out = np.zeros((48, 64, 3), np.uint8)
        while ended is None:
            try:
                grab = source.read(out)
            except CorruptFrame:
                continue
            except SourceError as error:
                ended = error
            else:
                levels.append(round(float(out.mean()) * 219 / 255 / 4))
                pts.append(grab.pts)
        with pytest.raises(kind):
            source.read(out)
    finally:
        source.close()
        server.close()
    # Those that came while connecting are late, and passed by.
    assert len(levels) >= 5
    assert levels == list(range(levels[0], levels[0] + len(levels)))
    assert pts == sorted(set(pts))
    assert type(ended) is kind
    assert said in str(ended)
    assert "s3cret" not in str(ended)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"username": "me", "password": "p@ss: /%"}, "rtsp://me:p%40ss%3A%20%2F%25@cam/1"),
        ({"username": "a@b"}, "rtsp://a%40b:@cam/1"),
        ({}, "rtsp://cam/1"),
    ],
)
def test_configured_credentials_are_quoted_into_the_url_and_nowhere_else(fields, url):
    config = RtspSourceConfig.model_validate({"type": "rtsp", "url": "rtsp://cam/1", **fields})
    source = RtspSource(config)
    assert whole_url(config) == url
    for text in (source.name, repr(source), repr(config), config.model_dump_json()):
        assert "p@ss" not in text
        assert "p%40ss" not in text


def test_of_a_fast_stream_frames_are_skipped_evenly(packets):
    server = TinyRtsp(packets, hangs_up=True)
    source = RtspSource(
        RtspSourceConfig.model_validate(
            {"type": "rtsp", "url": server.url, "read_timeout_s": 1, "max_fps": 5}
        )
    )
    times_s = []
    try:
        source.open()
        out = np.zeros((48, 64, 3), np.uint8)
        while True:
            try:
                grab = source.read(out)
            except CorruptFrame:
                continue
            except SourceLost:
                break
            times_s.append(float(grab.pts * grab.time_base))
    finally:
        source.close()
        server.close()
    assert len(times_s) >= 6, "of 40 frames, 25 a second, less those before the first key frame"
    assert np.allclose(np.diff(times_s), 0.2, atol=0.001)


def heard(clip: Path, **fields: object) -> tuple[tuple[int, int], list[np.ndarray]]:
    """The size that a camera's stream of *clip* is announced with, and its pictures."""
    server = TinyRtsp(rtp_packets(clip), hangs_up=True)
    config = {"type": "rtsp", "url": server.url, "read_timeout_s": 1, **fields}
    source = RtspSource(RtspSourceConfig.model_validate(config))
    pictures: list[np.ndarray] = []
    try:
        info = source.open()
        out = np.zeros((info.height, info.width, 3), np.uint8)
        while True:
            source.read(out)
            pictures.append(out.copy())
    except SourceLost:
        return (info.width, info.height), pictures
    finally:
        source.close()
        server.close()


KEYS = {"g": "5"}


def test_a_camera_whose_matrix_nobody_has_is_seen(tmp_path, caplog):
    frames = (plain((64, 48), (81, 90, 240)) for _ in range(40))
    options = {**KEYS, "x264-params": "colormatrix=YCgCo"}
    _, pictures = heard(film(tmp_path / "clip.ts", frames, options=options))
    assert len(pictures) >= 5
    assert all((np.abs(picture.astype(int) - (0, 0, 255)) <= 4).all() for picture in pictures)
    assert caplog.text.count("they are read as BT.601") == 1
    assert "s3cret" not in caplog.text


def test_a_camera_with_long_pixels_announces_its_size_in_square_ones(tmp_path):
    frames = (plain((64, 48), (128, 128, 128)) for _ in range(40))
    size, pictures = heard(film(tmp_path / "clip.ts", frames, aspect=Fraction(4, 3), options=KEYS))
    assert size == (86, 48)
    assert pictures
    assert {picture.shape for picture in pictures} == {(48, 86, 3)}


def test_an_interlaced_camera_is_deinterlaced(tmp_path):
    options = {**KEYS, "flags": "+ilme+ildct", "crf": "12"}
    clip = film(tmp_path / "clip.ts", flagged(woven(40)), options=options)
    _, combed = heard(clip, deinterlace="off")
    _, whole = heard(clip)
    assert verdicts(combed).count("tff") > len(combed) // 2
    assert verdicts(whole).count("progressive") > len(whole) * 3 // 4


def read_on(source: RtspSource, out: np.ndarray) -> None:
    while True:
        source.read(out)


def test_an_interlaced_camera_that_falls_silent_times_out(tmp_path):
    options = {**KEYS, "flags": "+ilme+ildct"}
    clip = film(tmp_path / "clip.ts", flagged(woven(40)), options=options)
    server = TinyRtsp(rtp_packets(clip), hangs_up=False)
    config = {"type": "rtsp", "url": server.url, "read_timeout_s": 1}
    source = RtspSource(RtspSourceConfig.model_validate(config))
    try:
        info = source.open()
        out = np.zeros((info.height, info.width, 3), np.uint8)
        with pytest.raises(SourceTimeout, match="sent nothing for 1 s"):
            read_on(source, out)
    finally:
        source.close()
        server.close()


def test_sound_from_before_a_clock_was_set_back_stays_where_it_was():
    source = RtspSource(RtspSourceConfig.model_validate({"type": "rtsp", "url": "rtsp://a/b"}))
    source._time_base = Fraction(1, 90_000)
    source._timeline = Timeline(source._time_base, Fraction(25))
    for pts in (1000 * 90_000, 0):
        source._timeline.place(pts)
    heard_ms = [999_980, 1_000_000, 1_000_020, -10, 10, 30]
    reader = SimpleNamespace(
        audio=AudioTrack("aac", 48_000, 1, Fraction(1, 1000), b".."),
        take_audio=lambda: [AudioPacket(b"", ms) for ms in heard_ms],
    )
    moved = [packet.pts for packet in source._audio(reader)]
    assert moved == [999_980, 1_000_000, 1_000_020, 1_000_030, 1_000_050, 1_000_070]
