"""
RTP headers (RFC 3550) and video in RTP: H.264 (RFC 6184) and H.265 (RFC 7798).

An access unit becomes `Payload`s once for all viewers. Fragments are views into the encoder's
bytes; only the header in front of them is made anew for each viewer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from streamer.packets import VideoCodec, split_annex_b

MAX_PAYLOAD = 1400
"""Bytes; with RTP, UDP and IPv6 headers 1460, which Ethernet and most tunnels carry whole."""
VIDEO_CLOCK = 90_000
"""Hz, for both codecs."""
VIDEO_TYPE = 96
"""Dynamic payload type."""

_HEADER = struct.Struct(">BBHII")


@dataclass(frozen=True, slots=True)
class Payload:
    """What follows one RTP header."""

    prefix: bytes
    """Ours: the fragment's or access unit's header; may be empty."""
    body: bytes | memoryview
    """The encoder's bytes."""
    marker: bool
    """The last of its access unit."""
    delay: int = 0
    """Clock ticks after the packet's own time."""

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.prefix) + len(self.body)


def header(payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int) -> bytes:
    """The 12 bytes before a payload (RFC 3550 section 5.1); numbers are taken modulo their size."""
    return _HEADER.pack(
        0x80,
        payload_type | (0x80 if marker else 0),
        sequence & 0xFFFF,
        timestamp & 0xFFFFFFFF,
        ssrc,
    )


def packetise(codec: VideoCodec, data: bytes, limit: int = MAX_PAYLOAD) -> list[Payload]:
    """
    One access unit, Annex B, as payloads of at most *limit* bytes, the last one marked.

    What fits together goes together, so the parameter sets share one packet; what is too large is
    cut into fragments.
    """
    aggregate, fragment, overhead = _WAYS[codec]
    payloads: list[Payload] = []
    small: list[memoryview] = []
    used = overhead

    def flush() -> None:
        nonlocal used
        if len(small) == 1:
            payloads.append(Payload(b"", small[0], marker=False))
        elif small:
            payloads.append(Payload(aggregate(small), b"", marker=False))
        small.clear()
        used = overhead

    for unit in split_annex_b(data):
        if len(unit) < overhead:
            continue  # not even a NAL header
        if small and used + 2 + len(unit) > limit:
            flush()
        if len(unit) > limit:
            payloads += fragment(unit, limit)
        else:
            small.append(unit)
            used += 2 + len(unit)
    flush()
    if payloads:
        last = payloads[-1]
        payloads[-1] = Payload(last.prefix, last.body, marker=True)
    return payloads


def _h264_aggregate(units: list[memoryview]) -> bytes:
    """STAP-A (RFC 6184 section 5.7.1): forbidden bit or-ed, highest importance."""
    forbidden = max(unit[0] & 0x80 for unit in units)
    importance = max(unit[0] & 0x60 for unit in units)
    return bytes([forbidden | importance | 24]) + _sized(units)


def _h264_fragment(unit: memoryview, limit: int) -> list[Payload]:
    """FU-A (RFC 6184 section 5.8)."""
    indicator, kind = unit[0] & 0xE0 | 28, unit[0] & 0x1F
    return _fragments(bytes([indicator]), kind, unit[1:], limit)


def _hevc_aggregate(units: list[memoryview]) -> bytes:
    """AP (RFC 7798 section 4.4.2): forbidden bit or-ed, lowest layer, lowest temporal id."""
    words = [int.from_bytes(unit[:2], "big") for unit in units]
    forbidden = max(word & 0x8000 for word in words)
    layer = min(word & 0x01F8 for word in words)
    temporal = min(word & 0x0007 for word in words)
    return (forbidden | 48 << 9 | layer | temporal).to_bytes(2, "big") + _sized(units)


def _hevc_fragment(unit: memoryview, limit: int) -> list[Payload]:
    """FU (RFC 7798 section 4.4.3)."""
    word = int.from_bytes(unit[:2], "big")
    kind = word >> 9 & 0x3F
    return _fragments((word & 0x81FF | 49 << 9).to_bytes(2, "big"), kind, unit[2:], limit)


def _sized(units: list[memoryview]) -> bytes:
    return b"".join(part for unit in units for part in (len(unit).to_bytes(2, "big"), unit))


def _fragments(start: bytes, kind: int, body: memoryview, limit: int) -> list[Payload]:
    """Pieces of *body*, each after *start* and a byte of start bit, end bit and *kind*."""
    room = limit - len(start) - 1
    pieces = []
    for begin in range(0, len(body), room):
        flags = (0x80 if begin == 0 else 0) | (0x40 if begin + room >= len(body) else 0)
        prefix = start + bytes([flags | kind])
        pieces.append(Payload(prefix, body[begin : begin + room], marker=False))
    return pieces


_WAYS: dict[
    VideoCodec,
    tuple[
        Callable[[list[memoryview]], bytes],
        Callable[[memoryview, int], list[Payload]],
        int,
    ],
] = {
    "h264": (_h264_aggregate, _h264_fragment, 1),
    "hevc": (_hevc_aggregate, _hevc_fragment, 2),
}
"""How to aggregate, how to fragment, and the bytes of a NAL unit's header."""
