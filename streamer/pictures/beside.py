"""
Read PNG files with so much text or so large a profile that Pillow refuses them.

Only the refused chunks are left out, as the pixels matter. A large profile is unpacked here.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import IO

from PIL import PngImagePlugin

_SIGNATURE = 8
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_LARGEST_PACKED = PngImagePlugin.MAX_TEXT_CHUNK
_MOST_TEXT = PngImagePlugin.MAX_TEXT_MEMORY
"""Most bytes that Pillow takes: of one compressed text or profile, and of all texts."""
_LARGEST_PROFILE = 16 * 2**20
"""Bytes that a JPEG can hold, in 255 segments of 64 KiB."""


def readable_png(file: IO[bytes]) -> tuple[IO[bytes], bytes]:
    """
    A PNG that Pillow reads, and the profile that had to be taken out of it.

    Args:
        file: begins with a PNG's signature; closed if another file is returned.

    Returns:
        *file* itself and an empty profile if nothing in it is too large.
    """
    left_out: list[tuple[int, int]] = []
    profile = b""
    texts = 0
    for kind, begin, length in _chunks(file):
        if kind == b"iCCP":
            unpacked = _unpacked(kind, file.read(length), _LARGEST_PROFILE)
            too_large = len(unpacked) > _LARGEST_PACKED
            if too_large and len(unpacked) <= _LARGEST_PROFILE:
                profile = unpacked
        elif kind in _TEXTS and texts <= _MOST_TEXT:
            size = len(_unpacked(kind, file.read(length), _LARGEST_PACKED))
            texts += size
            too_large = texts > _MOST_TEXT or (kind != b"tEXt" and size > _LARGEST_PACKED)
        else:
            too_large = kind in _TEXTS
        if too_large:
            left_out.append((begin, begin + 12 + length))
    if not left_out:
        return file, b""
    slim = _without(file, left_out)
    file.close()
    return slim, profile


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk's kind, offset and length, with the file positioned at its content."""
    begin = _SIGNATURE
    while True:
        file.seek(begin)
        header = file.read(8)
        if len(header) < 8:
            return
        length, kind = struct.unpack(">I4s", header)
        yield kind, begin, length
        begin += 12 + length


def _unpacked(kind: bytes, content: bytes, most: int) -> bytes:
    """
    The text or profile of a chunk; empty if it is damaged (PNG, third edition: 11.3.3).

    Unpacking stops at *most* + 1 bytes.
    """
    _, _, packed = content.partition(b"\0")
    if kind == b"tEXt":
        return packed
    if kind == b"iTXt":
        is_packed, texts = packed[:1] != b"\0", packed[2:].split(b"\0", 2)
        if len(texts) < 3 or not is_packed:
            return texts[-1]
        packed = b"\0" + texts[-1]
    try:
        return zlib.decompressobj().decompress(packed[1:], most + 1)
    except zlib.error:
        return b""


def _without(file: IO[bytes], left_out: list[tuple[int, int]]) -> IO[bytes]:
    """A copy of *file* without these (begin, end) ranges of bytes."""
    slim = io.BytesIO()
    at = 0
    for begin, end in left_out:
        file.seek(at)
        slim.write(file.read(begin - at))
        at = end
    file.seek(at)
    slim.write(file.read())
    return slim
