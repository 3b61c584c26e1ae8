from __future__ import annotations

import asyncio

import pytest

from streamer.serving.rtsp.carriers import PacketQueue, TransportOffer, UdpCarrier, choose_transport

TCP, UDP = "RTP/AVP/TCP", "RTP/AVP"


@pytest.mark.parametrize(
    ("value", "offer"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=0-1", TransportOffer(TCP, (0, 1))),
        ("RTP/AVP/TCP;interleaved=4", TransportOffer(TCP, (4, 5))),
        ("RTP/AVP/TCP;unicast", TransportOffer(TCP, None)),
        ("rtp/avp/tcp;INTERLEAVED=2-3", TransportOffer("rtp/avp/tcp", (2, 3))),
        ("RTP/AVP;unicast;client_port=5000-5001", TransportOffer(UDP, (5000, 5001))),
        ("RTP/AVP/UDP;unicast;client_port=5000", TransportOffer("RTP/AVP/UDP", (5000, 5001))),
        ('RTP/AVP;unicast;client_port=5000-5001;mode="PLAY"', TransportOffer(UDP, (5000, 5001))),
        (
            "RTP/AVP;multicast;client_port=5000-5001, RTP/SAVP;unicast;client_port=5000-5001,"
            "RTP/AVP/TCP;unicast;interleaved=0-1",
            TransportOffer(TCP, (0, 1)),
        ),
    ],
)
def test_the_first_that_can_be_served_is_chosen(value, offer):
    assert choose_transport(value) == offer


@pytest.mark.parametrize(
    "value",
    [
        "",
        "nonsense",
        "RTP/AVP;unicast",
        "RTP/AVP;multicast",
        "RTP/SAVP;unicast;client_port=5000-5001",
        "RTP/AVP;unicast;client_port=5000-5001;mode=RECORD",
        "RTP/AVP;unicast;client_port=53-54",
        "RTP/AVP;unicast;client_port=0-1",
        "RTP/AVP;unicast;client_port=5000-5000",
        "RTP/AVP;unicast;client_port=65535",
        "RTP/AVP;unicast;client_port=70000-70001",
        "RTP/AVP/TCP;unicast;interleaved=255-256",
        "RTP/AVP/TCP;unicast;interleaved=a-b",
    ],
)
def test_what_cannot_be_served_is_not_chosen(value):
    assert choose_transport(value) is None


def test_udp_can_be_left_out():
    assert choose_transport("RTP/AVP;unicast;client_port=5000-5001", udp=False) is None


class Refused:
    """A UDP socket at whose other end nobody listens, as a platform says it."""

    def __init__(self, error: type[OSError]) -> None:
        self._error = error

    def send(self, data: bytes) -> int:
        raise self._error

    def recv(self, size: int) -> bytes:
        raise self._error


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError, ConnectionResetError], ids=["posix", "windows"]
)
def test_a_viewer_that_no_longer_listens_is_noticed(error):
    async def scene() -> int:
        refusals: list[None] = []
        carrier = UdpCarrier(
            "127.0.0.1",
            "127.0.0.1",
            on_room=lambda: None,
            on_life=lambda: None,
            on_refused=lambda: refusals.append(None),
        )
        end = Refused(error)
        carrier._sockets[0] = end
        queue = PacketQueue()
        queue.append((0, b"head", b"body"))
        carrier.send(queue)
        carrier._heard(end, reports=True)
        await asyncio.sleep(0)
        return len(refusals)

    assert asyncio.run(scene()) == 2
