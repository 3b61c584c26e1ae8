"""Fetching a file from a web server, against one on loopback."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from streamer.config import ModelConfig
from streamer.errors import ModelCorrupt, ModelFetchError
from streamer.models import load_segmenter
from streamer.models.runtime import segmenter
from streamer.models.store import registry, web, weights
from streamer.models.store.registry import ModelEntry
from streamer.models.store.weights import cached_path, fetch
from tests.peers.loopback import MuteServer, Server, closed_url, reply
from tests.unit.models.recurrent_graph import registered, write_recurrent
from tests.unit.serving.rtsp.certificates import make_certificate


class Releases(Server):
    """Has one file, at `/asset`, and a page that redirects to it, as releases do."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.content = content
        self.status = 200
        self.cut_at: int | None = None

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.status != 200:
            reply(request, self.status)
        elif request.path == "/release":
            reply(request, 302, Location=f"{self.url}/asset")
        elif self.cut_at is not None:
            request.send_response(200)
            request.send_header("Content-Length", str(len(self.content)))
            request.end_headers()
            request.wfile.write(self.content[: self.cut_at])
            request.wfile.flush()
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
        else:
            reply(request, 200, self.content)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_recurrent(tmp_path / "made.onnx")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache" / "models"


def left_in(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir()) if cache.exists() else []


def refused(entry: ModelEntry, error: type[Exception] = ModelFetchError) -> str:
    with pytest.raises(error) as caught:
        fetch(entry, "fp32")
    message = str(caught.value)
    assert "\n" not in message
    assert "local .onnx file" in message, "the way out is there"
    return message


def test_it_is_fetched_once_through_a_redirection_and_runs(model, cache, monkeypatch) -> None:
    told = []
    with Releases(model.read_bytes()) as server:
        entry = registered(model, f"{server.url}/release")
        path = fetch(entry, "fp32", lambda *progress: told.append(progress))
        assert fetch(entry, "fp32") == path
        assert server.requests == ["GET /release", "GET /asset"]
    assert path == cache / "recurrent.onnx"
    assert path.read_bytes() == model.read_bytes()
    assert left_in(cache) == ["recurrent.onnx"]
    assert told[-1] == (len(model.read_bytes()), len(model.read_bytes()), "recurrent")
    assert cached_path(entry, "fp32") == path

    for module in (registry, segmenter):
        monkeypatch.setattr(module, "models", lambda: {"recurrent": entry})
    monkeypatch.setattr(weights, "lookup", {"recurrent": entry}.__getitem__)
    config = ModelConfig(name="recurrent", providers=["cpu"])
    loaded, _ = load_segmenter(config)
    assert loaded.info.recurrent
    assert loaded.info.sha256 == entry.file("fp32").sha256


def test_another_file_is_refused_and_not_kept(model, cache) -> None:
    content = model.read_bytes()
    for other in (content[:-1] + b"x", content + b"x", content[:-1]):
        with Releases(other) as server:
            message = refused(registered(model, f"{server.url}/asset"), ModelCorrupt)
        assert "sha256" in message
        assert left_in(cache) == []


def test_a_file_that_is_far_too_large_is_not_read_to_its_end(model, cache, monkeypatch) -> None:
    monkeypatch.setattr(web, "_PIECE", 64)
    entry = registered(model, "")
    with Releases(bytes(200 << 20)) as server:
        done = []
        large = registered(model, f"{server.url}/asset")
        with pytest.raises(ModelCorrupt, match=f"of over {entry.file('fp32').size} bytes"):
            fetch(large, "fp32", lambda *progress: done.append(progress))
    assert len(done) <= entry.file("fp32").size // 64 + 1
    assert left_in(cache) == []


def test_a_download_that_is_cut_off_says_so_and_leaves_nothing(model, cache) -> None:
    with Releases(model.read_bytes()) as server:
        server.cut_at = 100
        assert "the download was cut off" in refused(registered(model, f"{server.url}/asset"))
    assert left_in(cache) == []


@pytest.mark.parametrize("status", [404, 503])
def test_a_server_that_refuses_is_named(model, status) -> None:
    with Releases(b"") as server:
        server.status = status
        assert f"127.0.0.1 answers HTTP {status} for {server.url}" in refused(
            registered(model, f"{server.url}/asset")
        )


def test_no_network_is_said_at_once(model, cache) -> None:
    message = refused(registered(model, f"{closed_url()}/asset"))
    assert "cannot be fetched from 127.0.0.1 (" in message
    assert "HTTPS_PROXY" in message
    assert left_in(cache) == []


def test_a_server_that_says_nothing_is_given_up(model, monkeypatch) -> None:
    monkeypatch.setattr(web, "_ANSWER_S", 0.3)
    with MuteServer() as server:
        assert "timed out" in refused(registered(model, f"{server.url}/asset"))


def test_a_private_authority_is_told_which_setting_makes_it_known(
    model, tmp_path, monkeypatch
) -> None:
    files = make_certificate(tmp_path)
    server = Releases(model.read_bytes())
    server.encrypt(files)
    with server:
        entry = registered(model, f"{server.url}/asset")
        said = refused(entry)
        assert "certificate verify failed" in said
        assert "set SSL_CERT_FILE to a PEM file" in said
        monkeypatch.setenv("SSL_CERT_FILE", str(files.cert))
        assert fetch(entry, "fp32").read_bytes() == model.read_bytes()
