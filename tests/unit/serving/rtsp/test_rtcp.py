from __future__ import annotations

import struct

from streamer.serving.rtsp.rtcp import goodbye, is_rtcp, sender_report


def split(compound: bytes) -> list[tuple[int, bytes]]:
    """The (type, packet) of a compound packet, each of the length that it tells."""
    packets = []
    while compound:
        first, kind, words = struct.unpack(">BBH", compound[:4])
        assert first >> 6 == 2
        packets.append((kind, compound[: 4 * (words + 1)]))
        compound = compound[4 * (words + 1) :]
    return packets


def test_a_sender_report_maps_wall_clock_to_rtp_time():
    wall_ns = 1_700_000_000_500_000_000
    (kind, report), (described, description) = split(
        sender_report(7, "name", wall_ns, (1 << 32) + 9, 3, 400)
    )
    assert (kind, described) == (200, 202)
    values = struct.unpack(">IIIIII", report[4:])
    assert values == (7, 1_700_000_000 + 2_208_988_800, 1 << 31, 9, 3, 400)
    assert description[4:8] == b"\0\0\0\7"
    assert description[8:14] == b"\1\4name"


def test_descriptions_of_every_length_are_padded_with_at_least_one_zero():
    for length in range(1, 20):
        _, (_, description) = split(sender_report(7, "n" * length, 0, 0, 0, 0))
        assert len(description) % 4 == 0
        assert 1 <= len(description) - 10 - length <= 4


def test_a_goodbye_begins_with_a_report_as_every_compound_packet():
    kinds = [kind for kind, _ in split(goodbye(7, "name"))]
    assert kinds == [201, 202, 203]


def test_rtcp_is_told_from_what_players_send_to_open_their_routers_doors():
    assert is_rtcp(goodbye(7, "name"))
    assert not is_rtcp(b"")
    assert not is_rtcp(b"\xce\xfa\xed\xfe")
    assert not is_rtcp(b"\x80\x60" + bytes(10))
