"""RTCP: the reports that let a player put audio and video on one clock (RFC 3550 section 6)."""

from __future__ import annotations

import struct

_SENDER_REPORT, _RECEIVER_REPORT, _DESCRIPTION, _GOODBYE = 200, 201, 202, 203
_CNAME = 1
_NTP_EPOCH_S = 2_208_988_800
"""Seconds from 1900 to 1970."""


def sender_report(
    ssrc: int, cname: str, wall_ns: int, timestamp: int, packets: int, payload_bytes: int
) -> bytes:
    """
    A compound packet of sender report and source description.

    Args:
        ssrc: of the track.
        cname: the same for all tracks that share a clock.
        wall_ns: Unix time, nanoseconds.
        timestamp: the RTP time at *wall_ns*.
        packets: RTP packets sent so far.
        payload_bytes: bytes sent so far, without headers.
    """
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    report = struct.pack(
        ">BBHIIIIII",
        0x80,
        _SENDER_REPORT,
        6,
        ssrc,
        (seconds + _NTP_EPOCH_S) & 0xFFFFFFFF,
        (rest << 32) // 1_000_000_000,
        timestamp & 0xFFFFFFFF,
        packets & 0xFFFFFFFF,
        payload_bytes & 0xFFFFFFFF,
    )
    return report + _description(ssrc, cname)


def goodbye(ssrc: int, cname: str) -> bytes:
    """A compound packet that ends a track; it has to begin with a report, here an empty one."""
    report = struct.pack(">BBHI", 0x80, _RECEIVER_REPORT, 1, ssrc)
    return report + _description(ssrc, cname) + struct.pack(">BBHI", 0x81, _GOODBYE, 1, ssrc)


def is_rtcp(packet: bytes) -> bool:
    """Whether *packet* begins as RTCP does."""
    return len(packet) >= 8 and packet[0] >> 6 == 2 and 200 <= packet[1] <= 207


def _description(ssrc: int, cname: str) -> bytes:
    text = cname.encode()
    items = bytes([_CNAME, len(text)]) + text
    items += bytes(4 - len(items) % 4)  # at least one zero ends the list
    return struct.pack(">BBHI", 0x81, _DESCRIPTION, 1 + len(items) // 4, ssrc) + items
