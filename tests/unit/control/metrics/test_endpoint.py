"""Metrics and health over HTTP, for clients that are polite and for those that are not."""

from __future__ import annotations

import gzip
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from streamer.config.metrics import MetricsConfig
from streamer.control.metrics import http_server, serving_metrics
from streamer.errors import ConfigError, MissingDependency
from streamer.host import Host
from streamer.serving.sockets import listening_socket
from tests.fakes import FakeClock
from tests.unit.control.metrics.conftest import MakeBox
from tests.unit.control.metrics.hosting import LIVE, OPENMETRICS, get, running, samples, value
from tests.waiting import wait_for

ANYWHERE = MetricsConfig(listen="127.0.0.1:0")


@pytest.fixture
def host(box: MakeBox) -> Host:
    """Two streams that are not run."""
    return Host(box(door={}, hall={}))


@pytest.fixture
def url(host: Host) -> Iterator[str]:
    """Where *host* is served."""
    with serving_metrics(host, ANYWHERE) as served:
        assert served is not None
        yield served


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def said(url: str, request: bytes) -> bytes:
    """The whole answer to *request*, byte for byte."""
    with connect(url) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65536), b""))


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("streamer-metrics")]


def test_prometheus_gets_the_format_that_it_asks_for(url: str, host: Host) -> None:
    host.run()
    plain = get(f"{url}/metrics")
    assert (plain.status, plain.headers["Content-Type"].partition(";")[0]) == (200, "text/plain")
    openly = get(f"{url}/metrics", Accept=OPENMETRICS)
    assert openly.headers["Content-Type"].startswith("application/openmetrics-text")
    for found in (samples(plain.body), samples(openly.body, open_metrics=True)):
        assert value(found, "streamer_frames_emitted_total", stream="door") == 40
    packed = get(f"{url}/metrics", Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert (
        value(samples(gzip.decompress(packed.body)), "streamer_restarts_total", stream="hall") == 0
    )
    for strange in ("application/openmetrics-text; version=abc", "a/b;c=d;version=;q=x,,"):
        answer = get(f"{url}/metrics", Accept=strange)
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
    one = samples(get(f"{url}/metrics?name[]=streamer_restarts_total").body)
    assert {name for name, _ in one} == {"streamer_restarts_total"}


def test_head_has_the_headers_of_get_and_no_body(url: str) -> None:
    for path in ("/healthz", "/readyz"):
        whole, head = get(url + path), get(url + path, method="HEAD")
        assert (head.status, head.body) == (whole.status, b"")
        assert head.headers["Content-Length"] == str(len(whole.body)) != "0"
    assert get(f"{url}/metrics", method="HEAD").status == 200


def test_there_is_nothing_else_and_nothing_to_be_changed(url: str) -> None:
    for path in ("/", "/metric", "/metrics/", "/..%2fmetrics", "/favicon.ico"):
        assert get(url + path).status == 404, path
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        refused = get(f"{url}/metrics", method=method)
        assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD"), method


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET  /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/2\r\n\r\n", 400),
        (b"GET http://[/metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nAccept: a\nSet-Cookie: b\r\n\r\n", 400),
        (b"\xff\xfe /\xff HTTP/1.1\r\n\r\n", 404),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        (b"GET http://there/healthz?a=b HTTP/1.1\r\nX: a\r\nX: b\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 200),
    ],
)
def test_strange_requests_are_answered(url: str, request_: bytes, status: int) -> None:
    assert said(url, request_).startswith(f"HTTP/1.1 {status} ".encode())


def test_slow_and_mute_clients_hold_up_nobody(url: str) -> None:
    with ExitStack() as slow:
        for number in range(20):
            client = slow.enter_context(connect(url))
            client.sendall(b"GET /metrics HTT"[: number + 1])
        assert get(f"{url}/healthz").status == 200
        assert get(f"{url}/metrics").status == 200


def test_a_slow_client_is_hung_up_on(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "_REQUEST_S", 0.2)
    assert said_or_reset(url, b"GET /metrics HTTP/1.1\r\n") == b""


def test_the_oldest_of_too_many_connections_gives_way(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(http_server, "_CONNECTIONS", 2)
    monkeypatch.setattr(http_server, "_REQUEST_S", 60)
    request = b"GET /healthz HTTP/1.1\r\n\r\n"
    with connect(url) as one, connect(url) as two:
        for client in (one, two):
            client.sendall(request[:5])
        assert said(url, request).startswith(b"HTTP/1.1 200")
        assert heard(one) == b"", "hung up on"
        two.sendall(request[5:])
        assert two.recv(4096).startswith(b"HTTP/1.1 200")
    assert not caplog.messages


def test_idle_connections_keep_nobody_from_an_answer(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "_REQUEST_S", 60)
    with ExitStack() as idle:
        for _ in range(3 * http_server._CONNECTIONS):
            idle.enter_context(connect(url))
        assert get(f"{url}/healthz").status == 200


def test_who_does_not_hang_up_after_the_answer_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_server, "_REQUEST_S", 60)
    server = http_server.HttpServer(listening_socket("127.0.0.1", 0), lambda head: b"answer")
    try:
        address = server._listener.getsockname()
        with socket.create_connection(address, timeout=20) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert heard(client) == b"answer"
            wait_for(lambda: not server._connections)
    finally:
        server.close()


def said_or_reset(url: str, request: bytes) -> bytes:
    try:
        return said(url, request)
    except ConnectionError:
        return b""


def heard(client: socket.socket) -> bytes:
    """All that *client* still gets until it is hung up on."""
    try:
        return b"".join(iter(lambda: client.recv(65536), b""))
    except ConnectionError:
        return b""


def test_closing_hangs_up_and_leaves_no_thread(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as clients:
        with serving_metrics(host, ANYWHERE) as url:
            assert url is not None
            assert threads() == ["streamer-metrics"]
            waiting = clients.enter_context(connect(url))
            waiting.sendall(b"GET /metrics")
            assert get(f"{url}/healthz").status == 200
        assert threads() == []
        with pytest.raises(OSError):
            connect(url)
    assert not [record for record in caplog.records if record.levelname != "INFO"], caplog.text


def test_a_failure_is_answered_and_the_next_scrape_goes_well(
    url: str, host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("no status today")

    with monkeypatch.context() as broken:
        broken.setattr(host, "status", fail)
        assert get(f"{url}/metrics").status == 500
    assert "/metrics: cannot be answered" in caplog.text
    assert get(f"{url}/metrics").status == 200


def test_requests_are_logged_for_debugging_only(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "streamer"):
        get(f"{url}/metrics")
    assert not caplog.records
    with caplog.at_level("DEBUG", "streamer"):
        get(f"{url}/nothing")
    assert "GET /nothing: 404" in caplog.messages


def test_it_is_healthy_while_its_streams_are_seen_to(box: MakeBox) -> None:
    clock = FakeClock()
    host = Host(box(door={}), clock=clock)
    with serving_metrics(host, ANYWHERE) as url:
        clock.pass_s(60)
        assert get(f"{url}/healthz").text == "ok\n", "models may take long to load"
        host.run()
        clock.pass_s(9)
        assert get(f"{url}/healthz").status == 200
        clock.pass_s(2)
        late = get(f"{url}/healthz")
        assert (late.status, late.text) == (503, "the streams have not been seen to for 10 s\n")


def test_it_is_ready_while_frames_come(box: MakeBox) -> None:
    configured = box({"ready_s": 1}, door=LIVE, hall=LIVE)
    host = Host(configured)
    with serving_metrics(host, configured.metrics) as url:

        def says(line: str) -> bool:
            answer = get(f"{url}/readyz")
            return answer.status == 503 and any(re.fullmatch(line, one) for one in answer.lines)

        early = get(f"{url}/readyz")
        assert (early.status, early.lines) == (503, ["door: no frame yet", "hall: no frame yet"])
        with running(host):
            wait_for(lambda: get(f"{url}/readyz").text == "ok\n")
            stream = host.stream("door")
            assert stream is not None
            stream.pause()
            wait_for(lambda: says(r"door: no frame for \d+\.\d s"))
            stream.resume()
            wait_for(lambda: get(f"{url}/readyz").status == 200)


def test_streams_that_have_ended_do_not_count_and_those_that_failed_do(box: MakeBox) -> None:
    missing = {"source": {"type": "file", "path": "secret/missing.mp4"}}
    configured = box({"ready_s": 600}, door={}, hall=LIVE, yard=missing)
    configured = configured.model_copy(
        update={"restart": configured.restart.model_copy(update={"max_attempts": 0})}
    )
    host = Host(configured)
    with serving_metrics(host, configured.metrics) as url, running(host):
        wait_for(lambda: host.status().streams[0].state == "ended")
        wait_for(lambda: len(get(f"{url}/readyz").lines) == 1)
        assert get(f"{url}/readyz").lines == ["yard: failed, and is not started again"]


def test_nothing_is_served_unless_it_is_asked_for(host: Host) -> None:
    with serving_metrics(host, None) as url:
        assert url is None
        assert threads() == []


def test_an_address_that_is_taken_is_a_mistake_of_the_configuration(host: Host) -> None:
    with serving_metrics(host, ANYWHERE) as url:
        assert url is not None
        address = url.removeprefix("http://")
        with (
            pytest.raises(
                ConfigError, match=rf"metrics.listen: {address}: the port is taken"
            ) as no,
            serving_metrics(host, MetricsConfig(listen=address)),
        ):
            pass
        assert no.value.exit_code == 2
        assert get(f"{url}/healthz").status == 200


def test_ipv6_is_served(host: Host) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serving_metrics(host, MetricsConfig(listen="[::1]:0")) as url:
        assert url is not None
        assert url.startswith("http://[::1]:")
        assert get(f"{url}/healthz").status == 200


def test_a_missing_package_is_named_with_the_command(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("streamer.control.metrics.")]:
        if not name.endswith((".endpoint", ".http_server", ".http_messages")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with (
        pytest.raises(MissingDependency, match=r"pip install 'streamer\[metrics\]'"),
        serving_metrics(host, ANYWHERE),
    ):
        pass
