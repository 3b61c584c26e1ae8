from __future__ import annotations

import socket
import time

import pytest

from streamer.config.models import RtspSourceConfig
from streamer.errors import SourceError, SourceNotFound, SourceTimeout
from streamer.sources.rtsp import RtspSource


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
    assert isinstance(error, SourceNotFound)
    assert "connection refused" in str(error)


def test_a_mute_server_times_out(answering):
    error = refusal(answering(None), open_timeout_s=1)
    assert isinstance(error, SourceTimeout)
    assert isinstance(error, TimeoutError)
    assert "no answer within 1 s" in str(error)


def test_a_wrong_password_is_named(answering):
    error = refusal(answering('401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"'))
    assert isinstance(error, SourceNotFound)
    assert "401 unauthorized: check user and password" in str(error)


def test_a_wrong_path_is_named(answering):
    assert "404 not found: check the path" in str(refusal(answering("404 Not Found")))


def test_a_failing_server_is_named(answering):
    assert "the server refused" in str(refusal(answering("500 Internal Server Error")))
