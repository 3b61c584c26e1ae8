"""The page's server: where it listens, and how it ends."""

from __future__ import annotations

import gc
import logging
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2 as httpx
import pytest

from streamer.config.web import WebConfig
from streamer.control.web.endpoint import serving_web
from streamer.controls import Applied
from streamer.errors import ConfigError
from streamer.host import Host
from streamer.stream import Stream
from tests.peers.installed import require
from tests.unit.control.metrics.hosting import running
from tests.unit.control.web.conftest import MakeBox
from tests.unit.control.web.hosting import shown
from tests.waiting import PATIENCE_S, wait_for

ANY = WebConfig(listen="127.0.0.1:0")


@pytest.fixture(autouse=True)
def _ends_quietly(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is left: no thread, no handler, no warning."""
    before = set(threading.enumerate())
    handlers = list(logging.getLogger("streamer").handlers)
    yield
    wait_for(lambda: set(threading.enumerate()) <= before)
    assert logging.getLogger("streamer").handlers == handlers
    gc.collect()
    records = [
        one for one in caplog.get_records("call") if one.name.startswith(("asyncio", "uvicorn"))
    ]
    assert not records, [record.getMessage() for record in records]


@pytest.fixture
def tls(tmp_path: Path) -> tuple[str, str]:
    """A certificate and its key."""
    require("openssl", "openssl")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return str(certificate), str(key)


def test_without_a_configuration_nothing_is_served(box: MakeBox) -> None:
    with serving_web(Host(box()), None) as url:
        assert url is None


def test_it_ends_at_once_where_nobody_is(box: MakeBox) -> None:
    for _ in range(3):
        with serving_web(Host(box()), ANY):
            pass


def test_it_is_served_again_at_the_same_port(box: MakeBox) -> None:
    host = Host(box())
    with shown(host) as page:
        port = page.url.rpartition(":")[2]
        assert page.client.get("/").status_code == 200
    for _ in range(2):
        with shown(host, WebConfig(listen=f"127.0.0.1:{port}")) as page:
            assert page.show()["state"] == "starting"


def test_the_page_and_its_files_are_served(box: MakeBox) -> None:
    with shown(Host(box())) as page:
        for path, kind in (
            ("/", "text/html"),
            ("/page.css", "text/css"),
            ("/page.js", "text/javascript"),
            ("/session.js", "text/javascript"),
            ("/player.js", "text/javascript"),
            ("/embed/door", "text/html"),
            ("/embed.css", "text/css"),
            ("/embed.js", "text/javascript"),
            ("/favicon.svg", "image/svg+xml"),
        ):
            answer = page.client.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith(kind)
        assert page.client.get("/api/openapi.json").json()["info"]["title"] == "streamer"


def test_it_ends_within_two_seconds_whoever_is_connected(box: MakeBox) -> None:
    host = Host(box())
    with running(host), ExitStack() as clients:
        with shown(host) as page:
            address, _, port = page.url.removeprefix("http://").partition(":")
            begin = f"Host: {address}:{port}\r\nCookie: {page.cookie}\r\n"

            def stalled(request: str) -> None:
                client = clients.enter_context(socket.socket())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                client.connect((address, int(port)))
                client.sendall(request.replace("HOST", begin).encode())

            watch = clients.enter_context(page.watch())
            for path in ("events", "streams/door/live.mjpeg"):
                for _ in range(3):
                    stalled(f"GET /api/{path} HTTP/1.1\r\nHOST\r\n")
                clients.enter_context(page.client.stream("GET", f"/api/{path}"))
            stalled(
                "GET /api/streams/door/live HTTP/1.1\r\nHOSTConnection: Upgrade\r\n"
                f"Origin: {page.url}\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            stalled("GET / HT")
            token = page.client.headers["x-csrf-token"]
            post = "POST /api/streams/door/background HTTP/1.1\r\nHOST"
            for _ in range(4):
                stalled(f"{post}X-CSRF-Token: {token}\r\nContent-Length: 999\r\n\r\n{{")
            watch.film(1)
            wait_for(lambda: page.statistics()["viewers"] == 2 + 3 + 1)
            began_s = time.monotonic()
        assert time.monotonic() - began_s < PATIENCE_S / 2, "it waits for nobody"
        wait_for(lambda: not host.view("door").viewers)


def test_a_change_that_takes_long_does_not_hold_up_the_end(
    box: MakeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked for it is told."""
    begun, go_on = threading.Event(), threading.Event()

    def apply(self: Stream, changes: object) -> Applied:
        begun.set()
        go_on.wait()
        return Applied(1)

    monkeypatch.setattr(Stream, "apply", apply)
    host = Host(box())
    statuses: list[int] = []
    with running(host):
        with shown(host) as page:
            url, headers = f"{page.url}/api/streams/door", dict(page.client.headers)
            headers["Cookie"] = page.cookie

            def change() -> None:
                answer = httpx.patch(url, json={"refine.gain": 2}, headers=headers, timeout=60)
                statuses.append(answer.status_code)

            changing = threading.Thread(target=change)
            changing.start()
            assert begun.wait(PATIENCE_S)
            began_s = time.monotonic()
        assert time.monotonic() - began_s < PATIENCE_S / 2, "it waits for nobody"
        go_on.set()
        changing.join()
    assert statuses == [503]


def test_a_port_that_is_taken_is_named_in_a_line(box: MakeBox) -> None:
    with serving_web(Host(box()), ANY) as url:
        assert url is not None
        taken = WebConfig(listen=url.removeprefix("http://"))
        said = r"web\.listen: .*: the port is taken"
        with pytest.raises(ConfigError, match=said) as refused, serving_web(Host(box()), taken):
            pass
        assert "\n" not in str(refused.value)


def test_it_speaks_tls(box: MakeBox, tls: tuple[str, str]) -> None:
    certificate, key = tls
    config = WebConfig(listen="127.0.0.1:0", certificate=certificate, private_key=key)
    with shown(Host(box()), config) as page:
        assert page.url.startswith("https://")
        assert page.client.get("/api/streams").status_code == 200
        host, _, port = page.url.removeprefix("https://").partition(":")
        with socket.create_connection((host, int(port))) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert not plain.recv(100).startswith(b"HTTP")


def test_files_of_tls_that_are_of_no_use_are_named_in_a_line(
    box: MakeBox, tls: tuple[str, str], tmp_path: Path
) -> None:
    certificate, key = tls
    locked, junk = tmp_path / "locked.pem", tmp_path / "junk.pem"
    junk.write_text("junk")
    subprocess.run(
        [*("openssl", "rsa", "-aes256", "-passout", "pass:secret"), "-in", key, "-out", locked],
        check=True,
        capture_output=True,
    )
    for files, said in (
        ((str(tmp_path / "nope.pem"), key), r"web\.certificate: .*nope\.pem: No such file"),
        ((certificate, str(tmp_path / "nope.pem")), r"web\.private_key: .*nope\.pem: No such file"),
        ((str(tmp_path), key), r"web\.certificate: .*: Is a directory"),
        ((certificate, str(junk)), "belong together"),
        ((certificate, str(locked)), "without a passphrase"),
    ):
        config = WebConfig(listen="127.0.0.1:0", certificate=files[0], private_key=files[1])
        with pytest.raises(ConfigError, match=said) as refused, serving_web(Host(box()), config):
            pass
        assert "\n" not in str(refused.value)
