from __future__ import annotations

import pytest

from streamer.packets import split_annex_b
from streamer.serving.rtsp.rtp import MAX_PAYLOAD, Payload, header, packetise
from tests.unit.serving.rtsp.client import Rtp
from tests.unit.serving.rtsp.streams import Encoder, kind_of

START = b"\0\0\0\1"


def whole(payload: Payload) -> bytes:
    return payload.prefix + bytes(payload.body)


def reassemble(codec: str, payloads: list[bytes]) -> list[bytes]:
    """The NAL units in *payloads*, read as the RFCs say."""
    size, aggregate, fragment = (1, 24, 28) if codec == "h264" else (2, 48, 49)
    units: list[bytes] = []
    for payload in payloads:
        kind = kind_of(codec, payload)
        if kind == aggregate:
            rest = payload[size:]
            while rest:
                length = int.from_bytes(rest[:2], "big")
                units.append(rest[2 : 2 + length])
                rest = rest[2 + length :]
        elif kind == fragment:
            flags = payload[size]
            if flags & 0x80:
                if codec == "h264":
                    start = bytes([payload[0] & 0xE0 | flags & 0x1F])
                else:
                    start = bytes([payload[0] & 0x81 | (flags & 0x3F) << 1, payload[1]])
                units.append(start)
            units[-1] += payload[size + 1 :]
        else:
            units.append(payload)
    return units


def test_a_header_says_what_it_was_given_modulo_its_sizes():
    data = header(96, True, 0x1FFFE, (1 << 32) + 5, 0xDEADBEEF)
    assert Rtp.parse(data) == Rtp(96, True, 0xFFFE, 5, 0xDEADBEEF, b"")


def test_start_codes_of_both_lengths_and_trailing_zeros_are_no_part_of_a_unit():
    data = b"\0\0\1\x67\1\2\0\0\0\1\x68\3\0\0\0\0\1\x65\4\0\0\3\0"
    assert split_annex_b(data) == [b"\x67\1\2", b"\x68\3", b"\x65\4\0\0\3"]


@pytest.mark.parametrize("data", [b"", b"\0\0", b"no start code", b"\0\0\1", b"\0\0\1\0\0\1"])
def test_what_has_no_unit_makes_no_packet(data):
    assert packetise("h264", data) == []
    assert packetise("hevc", data) == []


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("key", [True, False])
def test_a_real_access_unit_comes_out_as_it_went_in(codec, key):
    data = Encoder(codec, (640, 480)).encode(1, key=key).data
    payloads = packetise(codec, data)
    assert reassemble(codec, [whole(p) for p in payloads]) == list(split_annex_b(data))
    assert all(payload.size <= MAX_PAYLOAD for payload in payloads)
    assert [payload.marker for payload in payloads] == [False] * (len(payloads) - 1) + [True]
    assert not key or len(payloads) > 10


@pytest.mark.parametrize(("codec", "aggregate"), [("h264", 24), ("hevc", 48)])
def test_parameter_sets_share_the_first_packet_of_a_key_frame(codec, aggregate):
    encoder = Encoder(codec, (640, 480))
    first = whole(packetise(codec, encoder.encode(1, key=True).data)[0])
    assert kind_of(codec, first) == aggregate
    units = reassemble(codec, [first])
    assert set(encoder.track.parameter_sets) <= set(units)


@pytest.mark.parametrize("size", [1399, 1400, 1401, 2796, 2797, 2798, 2799, 4200])
def test_units_at_the_edges_of_a_packet_come_out_as_they_went_in(size):
    unit = b"\x65" + bytes(range(1, 256)) * 20
    data = START + unit[:size]
    payloads = packetise("h264", data)
    assert reassemble("h264", [whole(p) for p in payloads]) == [unit[:size]]
    assert max(payload.size for payload in payloads) <= MAX_PAYLOAD


def test_small_units_fill_a_packet_and_no_more():
    units = [b"\x41" + bytes([n + 1]) * 399 for n in range(9)]
    payloads = packetise("h264", b"".join(START + unit for unit in units))
    assert [payload.size for payload in payloads] == [1207, 1207, 1207]
    assert reassemble("h264", [whole(p) for p in payloads]) == units


def test_the_encoder_s_bytes_are_not_copied_into_fragments():
    data = START + b"\x65" + b"\1" * 100_000
    for payload in packetise("h264", data):
        assert isinstance(payload.body, memoryview)
        assert payload.body.obj is data
