"""What strangers and viewers may use up."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from streamer.serving.rtsp import Credentials, directory
from tests.unit.serving.rtsp.client import Client
from tests.unit.serving.rtsp.conftest import until
from tests.unit.serving.rtsp.streams import TINY

PING = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"


@pytest.fixture
def far_away(monkeypatch):
    """Takes viewers on loopback for those of another machine."""
    monkeypatch.setattr(directory, "is_loopback", lambda address: False)


@pytest.mark.parametrize("limits", [{"connections": 3}, {"strangers_per_ip": 3}])
def test_a_connection_over_the_limit_is_told_and_the_others_go_on(serve, limits, far_away):
    server = serve(**limits)
    clients = [Client(server.address) for _ in range(3)]
    assert all(client.ask("OPTIONS").status == 200 for client in clients)
    with Client(server.address) as fourth:
        assert fourth.answer().status == 503
        assert fourth.ended()
    clients.pop().close()
    assert until(lambda: server.statistics()["connections"] == 2)
    with Client(server.address) as fourth:
        assert fourth.ask("OPTIONS").status == 200
    for client in clients:
        assert client.ask("OPTIONS").status == 200
        client.close()


@pytest.mark.parametrize("credentials", [None, Credentials("me", "s3cret")])
def test_viewers_behind_one_address_are_no_strangers(serve, credentials, far_away):
    server = serve(credentials, strangers_per_ip=2)
    server.mount("/masked", TINY)
    with ExitStack() as stack:

        def connect() -> Client:
            return stack.enter_context(Client(server.address, credentials=credentials))

        for _ in range(5):
            connect().watch()
        for _ in range(2):
            assert connect().ask("OPTIONS").status == 200
        assert connect().answer().status == 503
        assert server.statistics()["mounts"][0]["viewers"] == 5


def test_this_machine_s_own_strangers_are_limited_by_room_only(serve):
    server = serve(strangers_per_ip=1)
    with ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(Client(server.address))
            assert client.ask("OPTIONS").status == 200


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("fe80::1%2", False),
    ],
)
def test_this_machine_s_own_addresses_are_known(address, own):
    assert directory.is_loopback(address) is own


def test_udp_sessions_without_their_connections_count_as_connections(serve):
    server = serve(connections=2)
    server.mount("/masked", TINY)
    for port in (40000, 40002):
        with Client(server.address) as client:
            client.setup(transport=f"RTP/AVP;unicast;client_port={port}-{port + 1}")
            client.play()
    assert until(lambda: server.statistics()["connections"] == 0)
    with Client(server.address) as client:
        assert client.answer().status == 503


def test_who_finds_no_udp_socket_may_watch_over_tcp(serve):
    server = serve(udp_sockets=2)
    server.mount("/masked", TINY)
    udp = "RTP/AVP;unicast;client_port=40000-40001"
    with Client(server.address) as first, Client(server.address) as second:
        assert first.setup(transport=udp).status == 200
        assert second.setup(transport=udp).status == 461
        second.watch()
        first.ask("TEARDOWN")
    with Client(server.address) as third:
        assert third.setup(transport=udp).status == 200


def test_a_connection_has_so_many_sessions(serve):
    server = serve(sessions_per_connection=2)
    server.mount("/masked", TINY)
    with Client(server.address) as client:
        for expected in (200, 200, 453):
            client.session = None
            assert client.setup().status == expected
    assert until(lambda: server.statistics()["sessions"] == 0)


def test_who_plays_nothing_is_hung_up_on(serve):
    server = serve(idle_s=0.3)
    server.mount("/masked", TINY)
    with Client(server.address) as watching, Client(server.address) as idle:
        watching.watch()
        assert idle.ask("OPTIONS").status == 200
        assert idle.ended()
        assert watching.ask("OPTIONS").status == 200


def test_options_do_not_keep_a_stranger_connected(serve):
    server = serve(idle_s=0.5)
    with Client(server.address) as client:

        def hung_up() -> bool:
            try:
                return client.ask("OPTIONS").status != 200
            except ConnectionError:
                return True

        assert until(hung_up, 3)


def test_a_request_that_comes_too_slowly_is_cut_off(serve):
    server = serve(request_s=0.4)
    with Client(server.address) as client:
        client.send(PING + PING[:10])
        assert client.answer().status == 200
        client.send(PING[10:12])
        assert client.answer().status == 408
        assert client.ended()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"OPTIONS " + b"x" * 3000, 414),
        (b"OPTIONS * RTSP/1.0\r\n" + b"X: " + b"y" * 9000, 413),
        (b"SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999\r\n\r\n", 413),
    ],
)
def test_a_request_that_is_too_large_is_told_so(serve, data, status):
    with Client(serve().address) as client:
        client.send(data)
        assert client.answer().status == status
        assert client.ended()
