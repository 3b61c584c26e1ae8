"""
Writes the length of a fragmented MP4 into its header once it is known.

FFmpeg writes the header first, without a length, and never again: players that do not read all
fragments show the length of the first. ISO/IEC 14496-12 has a box for it (8.8.2, `mehd`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEADER_BYTES = 65_536
"""FFmpeg's movie header ends within these."""
_TIMESCALE_AT = {0: 12, 1: 20}
"""Offset of the units a second in the movie header (8.2.2), by its version."""


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    body: int
    end: int


def tell_length(path: Path, seconds: float) -> bool:
    """
    Write into the header of the fragmented MP4 at *path* how long it is.

    No byte after the header moves: the box takes the place of the note that names the muxer.

    Returns:
        Whether it was written: not where the header has no place for it.

    Raises:
        OSError: the file cannot be read or written.
    """
    with path.open("r+b") as file:
        data = file.read(_HEADER_BYTES)
        movie = _find(b"moov", data, 0, len(data))
        if movie is None or movie.end > len(data):
            return False
        head, extends, note = (
            _find(kind, data, movie.body, movie.end) for kind in (b"mvhd", b"mvex", b"udta")
        )
        if head is None or extends is None or note is None or note.start != extends.end:
            return False
        (scale,) = struct.unpack_from(">I", data, head.body + _TIMESCALE_AT[data[head.body]])
        length = struct.pack(">I4sB3xQ", 20, b"mehd", 1, math.ceil(seconds * scale))
        if note.end - note.start < len(length) + 8:
            return False
        body = length + data[extends.body : extends.end]
        free = note.end - extends.start - 8 - len(body)
        file.seek(extends.start)
        file.write(
            struct.pack(">I4s", 8 + len(body), b"mvex")
            + body
            + struct.pack(">I4s", free, b"free")
            + bytes(free - 8)
        )
    return True


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    """The boxes of *data* that begin between *start* and *end*; ISO/IEC 14496-12, 4.2."""
    while start + 8 <= min(end, len(data)):
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8:
            return
        yield _Box(kind, start, start + 8, start + size)
        start += size


def _find(kind: bytes, data: bytes, start: int, end: int) -> _Box | None:
    return next((box for box in _boxes(data, start, end) if box.kind == kind), None)
