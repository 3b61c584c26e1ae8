"""Starting, accepting, stopping, TLS, and sessions that time out."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streamer.errors import SinkError
from streamer.serving.rtsp import RtspServer, TlsFiles
from streamer.serving.rtsp.listening import listen
from tests.unit.serving.rtsp.certificates import make_certificate
from tests.unit.serving.rtsp.client import Client
from tests.unit.serving.rtsp.conftest import until
from tests.unit.serving.rtsp.streams import TINY, tiny_packet, tone

PING = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> TlsFiles:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def refusal(host: str, port: int, tls: TlsFiles | None = None) -> str:
    server = RtspServer(host, port, tls=tls)
    try:
        with pytest.raises(SinkError) as refused:
            server.start()
    finally:
        server.stop()
    return str(refused.value)


def test_a_taken_port_is_told_at_the_start(serve):
    host, port = serve().address
    assert "the port is taken: stop what uses it, or choose another" in refusal(host, port)


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("192.0.2.1", 0, "not an address of this machine"),
        ("no-such-host.invalid", 0, "unknown host"),
        ("127.0.0.1", 70000, "a port is a number from 0 to 65535"),
    ],
)
def test_an_address_that_cannot_be_had_is_told_with_the_way_out(host, port, said):
    assert said in refusal(host, port)


def test_on_windows_the_port_is_kept_from_other_programs(monkeypatch):
    # An option that is there everywhere, in place of the one that only Windows has.
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
    with listen("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


class Refuses:
    """Accepts nobody: every call fails with *error*."""

    def __init__(self, error: Exception) -> None:
        self.calls = 0
        self._error = error

    async def __call__(self, listener: socket.socket) -> None:
        self.calls += 1
        raise self._error


def refuse_all(server: RtspServer, error: Exception) -> Refuses:
    """Let *server* accept one more viewer, then none."""
    refuses = Refuses(error)
    for _ in range(2):
        with Client(server.address) as client:
            assert client.ask("OPTIONS").status == 200
        # Once the first is greeted, the call that accepts the second is on its way.
        server._loop.sock_accept = refuses
    return refuses


def test_a_socket_that_accepts_nobody_is_not_asked_all_the_time(serve):
    server = serve()
    refuses = refuse_all(server, ConnectionAbortedError("gone"))
    begun_s = time.monotonic()
    assert until(lambda: refuses.calls >= 4)
    assert time.monotonic() - begun_s > 0.1
    del server._loop.sock_accept
    with Client(server.address) as client:
        assert client.ask("OPTIONS").status == 200


def test_an_end_of_accepting_is_logged_and_viewers_go_on(serve, caplog):
    server = serve()
    mount = server.mount("/masked", TINY)
    with Client(server.address) as client:
        client.watch()
        refuse_all(server, RuntimeError("a bug"))
        assert until(lambda: "the RTSP server accepts no more viewers" in caplog.text)
        assert "a bug" in caplog.text
        mount.send_video(tiny_packet(1, key=True))
        assert b"00000001" in client.receive()


def test_a_missing_certificate_is_told(certificate, tmp_path):
    missing = TlsFiles(tmp_path / "none.pem", certificate.key)
    assert "none.pem: cannot be read: No such file" in refusal("127.0.0.1", 0, missing)


def test_what_is_no_certificate_is_told(certificate):
    swapped = TlsFiles(certificate.key, certificate.cert)
    assert "see openssl req" in refusal("127.0.0.1", 0, swapped)


def test_a_key_with_a_passphrase_is_told_and_not_asked_for(certificate, tmp_path):
    locked = tmp_path / "locked.pem"
    change = ["openssl", "rsa", "-aes128", "-passout", "pass:abcd"]
    subprocess.run(
        [*change, "-in", certificate.key, "-out", locked], check=True, capture_output=True
    )
    said = refusal("127.0.0.1", 0, TlsFiles(certificate.cert, locked))
    assert "without a passphrase" in said


def test_a_path_is_taken_once(serve):
    server = serve()
    server.mount("/masked", TINY)
    server.mount("/later")
    for path in ("/masked/", "/later"):
        with pytest.raises(SinkError, match="another stream has this path"):
            server.mount(path, TINY)


@pytest.mark.parametrize("path", ["masked", "", "/a?b", "/a b", "/trackID=0", "//a", "/a%20b"])
def test_what_is_no_path_is_told(serve, path):
    with pytest.raises(SinkError, match="begin with /"):
        serve().mount(path, TINY)


def test_audio_that_cannot_be_relayed_leaves_the_path_free(serve):
    server = serve()
    track, _ = tone("aac", 0.1)
    with pytest.raises(SinkError, match="mp3"):
        server.mount("/masked", TINY, type(track)("mp3", 48000, 2, track.time_base))
    server.mount("/masked", TINY)


def test_a_server_starts_once():
    server = RtspServer("127.0.0.1", 0)
    with pytest.raises(SinkError, match="no address before its start"):
        _ = server.address
    server.start()
    with pytest.raises(SinkError, match="only once"):
        server.start()
    server.stop()
    server.stop()


def test_a_stop_says_good_bye_and_frees_the_port(serve):
    server = serve()
    mount = server.mount("/masked", TINY)
    with Client(server.address) as client, Client(server.address) as idle:
        client.watch()
        mount.send_video(tiny_packet(1, key=True))
        reported = client.receive(1)[1]
        client.packet()
        server.stop()
        assert [reported, client.receive(1)[1]] == [200, 201]
        assert client.ended()
        assert idle.ended()
    again = RtspServer(*server.address)
    again.start()
    again.stop()


def test_a_viewer_may_heed_the_good_bye_before_it_is_hung_up_on(serve):
    server = serve()
    mount = server.mount("/masked", TINY)
    with Client(server.address) as client:
        client.watch()
        mount.send_video(tiny_packet(1, key=True))
        client.packet()
        mount.close()
        assert client.receive(1)[1] == 201, "BYE"
        assert client.ask("PAUSE").status == 200
        assert client.ask("TEARDOWN").status == 200
        assert client.ended()


def test_a_stop_does_not_wait_for_a_viewer_that_does_not_read(serve):
    server = serve()
    mount = server.mount("/masked", TINY)
    with Client(server.address, receive_buffer=4096) as client:
        client.watch()
        mount.send_video(tiny_packet(0, key=True))
        client.packet()
        for number in range(1, 200):
            mount.send_video(tiny_packet(number, size=20_000))
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 5, "it waits up to 10 s for one that goes on"


class TestTls:
    @pytest.fixture
    def server(self, serve, certificate):
        server = serve(tls=certificate, request_s=0.5)
        self.mount = server.mount("/masked", TINY)
        return server

    @pytest.fixture
    def context(self, certificate):
        return ssl.create_default_context(cafile=str(certificate.cert))

    def test_a_viewer_watches_encrypted(self, server, context):
        with Client(server.address, tls=context) as client:
            client.watch()
            for number in range(50):
                self.mount.send_video(tiny_packet(number, key=number == 0, size=5000))
            packets = [client.packet() for _ in range(50)]
            assert len({p.sequence for p in packets}) == 50

    def test_nothing_goes_over_udp_in_the_clear(self, server, context):
        with Client(server.address, tls=context) as client:
            assert client.setup(transport="RTP/AVP;unicast;client_port=5000-5001").status == 461

    def test_who_does_not_speak_tls_is_hung_up_on(self, server):
        with socket.create_connection(server.address, 5) as end:
            end.sendall(PING)
            assert b"RTSP" not in end.recv(100)
        assert until(lambda: server.statistics()["connections"] == 0)

    def test_who_says_nothing_is_hung_up_on(self, server):
        with socket.create_connection(server.address, 5) as end:
            assert until(lambda: server.statistics()["connections"] == 1)
            assert end.recv(100) == b""
        assert until(lambda: server.statistics()["connections"] == 0)

    def test_a_stop_does_not_wait_for_a_handshake(self, server):
        with socket.create_connection(server.address, 5):
            assert until(lambda: server.statistics()["connections"] == 1)
            server.stop()
            assert server.statistics()["connections"] == 0


class TestSessionTimeout:
    @pytest.fixture
    def server(self, serve):
        server = serve(session_timeout_s=0.6)
        self.mount = server.mount("/masked", TINY)
        return server

    def test_a_udp_viewer_without_a_sign_of_life_is_forgotten(self, server):
        with Client(server.address) as client:
            client.setup(transport="RTP/AVP;unicast;client_port=40000-40001")
            client.play()
            assert until(lambda: server.statistics()["sessions"] == 0, 3)

    @pytest.mark.parametrize("sign", ["request", "report"])
    def test_a_sign_of_life_keeps_it(self, server, sign):
        with Client(server.address) as client, socket.socket(type=socket.SOCK_DGRAM) as rtcp:
            rtcp.bind(("127.0.0.1", 0))
            port = rtcp.getsockname()[1]
            answer = client.setup(transport=f"RTP/AVP;unicast;client_port={port - 1}-{port}")
            server_rtcp = int(answer["Transport"].split("server_port=")[1].split(";")[0][-5:])
            client.play()
            deadline = time.monotonic() + 1.5
            while time.monotonic() < deadline:
                if sign == "request":
                    assert client.ask("GET_PARAMETER").status == 200
                else:
                    rtcp.sendto(b"\x80\xc9\0\1" + bytes(4), (server.address[0], server_rtcp))
                time.sleep(0.1)
            assert server.statistics()["sessions"] == 1

    def test_a_tcp_viewer_needs_none_while_it_plays(self, server):
        with Client(server.address) as client:
            client.watch()
            assert not until(lambda: server.statistics()["sessions"] == 0, 1)
            client.ask("PAUSE")
            assert until(lambda: server.statistics()["sessions"] == 0, 3)


def test_the_package_imports_no_codec_library():
    code = (
        "import sys, streamer.serving.rtsp;"
        "sys.exit(any(m in sys.modules for m in ('av', 'cv2', 'numpy', 'onnxruntime')))"
    )
    root = Path(__file__).parents[4]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_other_addresses_of_this_machine_serve_as_well(host):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    server = RtspServer(host, 0)
    try:
        server.start()
    except SinkError as error:
        pytest.skip(str(error))
    try:
        mount = server.mount("/masked", TINY)
        with Client(server.address) as client:
            assert client.ask("DESCRIBE").status == 200
            client.watch()
            mount.send_video(tiny_packet(1, key=True))
            assert client.packet()
    finally:
        server.stop()
