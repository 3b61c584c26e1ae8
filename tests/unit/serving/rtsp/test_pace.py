"""Who asks too much has to wait, and nobody else does."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from streamer.serving.rtsp.messages import Parser
from streamer.serving.rtsp.pace import Pace
from tests.unit.serving.rtsp.client import Client
from tests.unit.serving.rtsp.conftest import until
from tests.unit.serving.rtsp.streams import TINY, tiny_packet

PING = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"


def served(pace: Pace) -> int:
    number = 0
    while pace.wait_s() <= 0:
        pace.count()
        number += 1
    return number


def test_a_second_s_worth_goes_at_once_and_the_rest_evenly():
    now_s = 100.0
    pace = Pace(50, lambda: now_s)
    assert served(pace) == 50
    assert pace.wait_s() == pytest.approx(0.02)
    now_s += 0.021
    assert served(pace) == 1
    now_s += 0.2
    assert served(pace) == 10
    now_s += 1000
    assert served(pace) == 50


def test_less_than_one_a_second_is_a_pace_too():
    now_s = 100.0
    pace = Pace(0.5, lambda: now_s)
    assert served(pace) == 1
    assert pace.wait_s() == pytest.approx(2)


@pytest.mark.parametrize("flood", [PING, b"$\0\0\0"], ids=["requests", "frames"])
def test_between_a_few_messages_of_a_flood_everyone_else_has_a_turn(serve, monkeypatch, flood):
    server = serve(messages_per_s=1e6)
    mount = server.mount("/masked", TINY)
    taken, turns = 0, []
    take = Parser.take

    def counting(parser: Parser):
        nonlocal taken
        message = take(parser)
        taken += message is not None
        return message

    def turn() -> None:
        turns.append(taken)
        if taken < 1000:
            mount._wake(turn)

    monkeypatch.setattr(Parser, "take", counting)
    with Client(server.address) as flooder:
        mount._wake(turn)
        flooder.send(flood * 1000)
        assert until(lambda: bool(turns) and turns[-1] >= 1000)
    assert max(after - before for before, after in pairwise(turns)) <= 4


def test_a_viewer_gets_its_packets_while_another_floods(serve):
    server = serve()
    mount = server.mount("/masked", TINY)
    with Client(server.address) as flooder, Client(server.address) as viewer:
        viewer.watch()
        flooder.send(PING * 2000)
        for number in range(50):
            mount.send_video(tiny_packet(number, key=number == 0))
            assert b"%08d" % number in viewer.receive()
        assert viewer.ask("GET_PARAMETER").status == 200


def test_a_flood_is_answered_in_order_at_the_pace_and_not_hung_up_on(serve):
    server = serve(messages_per_s=20, request_s=0.3)
    with Client(server.address) as client:
        begun_s = time.monotonic()
        client.send(b"".join(b"OPTIONS * RTSP/1.0\r\nCSeq: %d\r\n\r\n" % n for n in range(50)))
        assert [client.answer()["CSeq"] for _ in range(50)] == [str(n) for n in range(50)]
        assert time.monotonic() - begun_s > 1.4


def test_a_flood_is_not_read_into_memory(serve):
    server = serve()
    with Client(server.address) as client:
        client.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.send(PING * 1_000_000)
        (connection,) = server._directory.connections
        assert connection._parser.held < 1 << 20
