"""Clients that send nothing, junk, too slowly, or too much."""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from streamer.control.web import connections
from tests.unit.control.web.hosting import Page
from tests.waiting import PATIENCE_S, wait_for


@pytest.fixture(autouse=True)
def _nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    records = [
        record
        for record in caplog.get_records("call")
        if record.name.startswith(("asyncio", "uvicorn"))
    ]
    assert not records, [record.getMessage() for record in records]


@contextmanager
def connected(page: Page) -> Iterator[socket.socket]:
    host, _, port = page.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as client:
        yield client


def head(page: Page, first: str, *more: str) -> bytes:
    lines = (f"{first} HTTP/1.1", f"Host: {page.url.removeprefix('http://')}")
    cookie = f"Cookie: {page.cookie}"
    return "\r\n".join((*lines, cookie, *more, "", "")).encode()


def rest(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    got = b""
    with suppress(ConnectionResetError):
        while data := client.recv(1 << 16):
            got += data
    return got


UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@contextmanager
def upgraded(page: Page) -> Iterator[socket.socket]:
    with connected(page) as client:
        path = "/api/streams/door/live"
        client.sendall(head(page, f"GET {path}", f"Origin: {page.url}", *UPGRADE))
        got = b""
        while b"\r\n\r\n" not in got:
            got += client.recv(1)
        assert got.startswith(b"HTTP/1.1 101")
        yield client


def masked(first: int, payload: bytes, length: int | None = None) -> bytes:
    """A frame of a client (RFC 6455, 5.2), of any first byte and announced length."""
    size = len(payload) if length is None else length
    if size < 126:
        begin = struct.pack(">BB", first, 0x80 | size)
    elif size < 1 << 16:
        begin = struct.pack(">BBH", first, 0x80 | 126, size)
    else:
        begin = struct.pack(">BBQ", first, 0x80 | 127, size)
    return begin + bytes(4) + payload


def is_well(page: Page) -> bool:
    return page.show()["state"] == "running"


def test_who_sends_nothing_is_dropped(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections._PATIENCE_S, connections.h11.IDLE, 0.2)
    with connected(page) as client:
        assert rest(client) == b""


@pytest.mark.parametrize("begun", [b"GET / HT", b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
def test_who_sends_a_head_by_and_by_is_dropped(
    page: Page, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setitem(connections._PATIENCE_S, connections.h11.IDLE, 0.3)
    pause = threading.Event()
    with connected(page) as client, suppress(OSError):
        client.sendall(begun)
        for _ in range(1000):
            client.sendall(b"a")
            pause.wait(0.01)
        pytest.fail("it goes on")


def test_who_goes_on_with_half_a_head_is_dropped(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a first request, which was whole."""
    monkeypatch.setitem(connections._PATIENCE_S, connections.h11.IDLE, 0.3)
    with connected(page) as client:
        client.sendall(head(page, "GET /api/session"))
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")
        client.sendall(b"GET / HTTP/1.1\r\n")
        rest(client)


def test_who_sends_half_a_body_is_dropped(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections._PATIENCE_S, connections.h11.SEND_BODY, 0.3)
    token = f"X-CSRF-Token: {page.client.headers['x-csrf-token']}"
    for method, path in (("POST", "/background"), ("PATCH", ""), ("POST", "/pause")):
        with connected(page) as client:
            length = "Content-Length: 1000"
            client.sendall(head(page, f"{method} /api/streams/door{path}", token, length) + b"{")
            rest(client)
    assert page.post("background", b"junk").status_code == 422, "there is room for others"


def test_a_connection_that_was_quick_lasts(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections._PATIENCE_S, connections.h11.IDLE, 0.2)
    with page.watch() as watch:
        watch.film(15)


def test_there_are_not_too_many_connections(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_MOST", 20)
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(page)) for _ in range(40)]
        for client in clients[30:]:
            assert rest(client) == b""
    wait_for(lambda: _is_answered(page))


def _is_answered(page: Page) -> bool:
    with connected(page) as client:
        client.sendall(head(page, "GET /api/session", "Connection: close"))
        return rest(client).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"\x00" * 100_000,
        b"GET " + b"/x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"\xc3\x28" * 200,
    ],
    ids=lambda junk: f"{junk[:20]!r} {len(junk)}",
)
def test_junk_is_answered_or_dropped_without_a_word(page: Page, junk: bytes) -> None:
    with connected(page) as client, suppress(OSError):
        client.sendall(junk)
        client.shutdown(socket.SHUT_WR)
        assert not rest(client).startswith(b"HTTP/1.1 5")
    assert is_well(page)


def test_junk_after_an_answer_is_dropped_without_a_word(page: Page) -> None:
    """A body in chunks that is refused by its head, and turns out to be none."""
    with connected(page) as client, suppress(OSError):
        client.sendall(head(page, "POST /api/streams/door/pause", "Transfer-Encoding: chunked"))
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 403")
        client.sendall(b"no chunk\r\n\r\n" * 10)
        rest(client)
    assert is_well(page)


@pytest.mark.parametrize(
    "path", ["/%ff%fe", "/api/streams/%ff", "/api/streams/%00/live.mjpeg", "/%2e%2e/x"]
)
def test_a_path_that_is_no_text_leads_nowhere(page: Page, path: str) -> None:
    with connected(page) as client:
        client.sendall(head(page, f"GET {path}", "Connection: close"))
        assert rest(client).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    "frames",
    [
        masked(0x81, b"\xff\xfe\xfd"),
        masked(0x80, b"a continuation of nothing"),
        masked(0x83, b"reserved"),
        masked(0xF1, b"reserved bits"),
        masked(0x89, bytes(200)),
        masked(0x88, b"\x00"),
        masked(0x88, b"\x03\xe8\xff\xfe"),
        masked(0x82, b"", 1 << 62),
        masked(0x01, b"a") + masked(0x01, b"b"),
        b"\x81\x05hello",
        bytes(1000),
    ],
    ids=lambda frames: repr(frames[:12]),
)
def test_frames_that_make_no_sense_end_the_connection(page: Page, frames: bytes) -> None:
    with upgraded(page) as client:
        client.sendall(frames)
        if frames[0] == 0x81 and frames[1] == 0x83:
            return  # what viewers say is not even read
        rest(client)
    wait_for(lambda: page.statistics()["viewers"] == 0)


def test_random_bytes_in_a_websocket_end_the_connection_at_worst(page: Page) -> None:
    chance = random.Random(7)
    for _ in range(40):
        with upgraded(page) as client, suppress(OSError):
            client.sendall(chance.randbytes(chance.choice((2, 10, 200, 5000))))
            client.shutdown(socket.SHUT_WR)
            rest(client)
    wait_for(lambda: page.statistics()["viewers"] == 0)
    assert is_well(page)


def test_a_message_without_end_is_not_kept(page: Page) -> None:
    with upgraded(page) as client, suppress(OSError):
        client.sendall(masked(0x01, b"") + masked(0x00, b"") * 50_000)
        client.sendall(masked(0x80, b""))
        client.recv(1)
    assert is_well(page)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_pings_whose_answers_nobody_takes_do_not_pile_up(page: Page) -> None:
    page_bytes = os.sysconf("SC_PAGE_SIZE")

    def memory() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page_bytes

    with upgraded(page) as client:
        client.settimeout(1)
        before = memory()
        pings = masked(0x89, bytes(125)) * 1000
        with suppress(OSError):
            for _ in range(400):  # 52 MB in all
                client.sendall(pings)
        assert memory() - before < 25 << 20


def test_half_open_connections_come_and_go(page: Page) -> None:
    threads = threading.active_count()
    for number in range(100):
        with connected(page) as client:
            client.sendall(head(page, "GET /api/streams/door/live.mjpeg")[: number * 3])
    for _ in range(20):
        with upgraded(page) as client:
            linger = struct.pack("ii", 1, 0)  # a reset
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    wait_for(lambda: page.statistics()["viewers"] == 0)
    assert is_well(page)
    assert threading.active_count() <= threads + 10
