"""
Write pictures to files: encode them in memory, then write each whole or not at all.

OpenCV encodes PNG: it writes 16 bits and is faster. The chunks for profile and EXIF are inserted
here. Pillow encodes JPEG and WebP, and takes both itself.
"""

from __future__ import annotations

import io
import secrets
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Literal

import cv2
from PIL import Image as Pillow

from streamer.errors import SourceUnsupported
from streamer.pictures.colour import Deep
from streamer.pictures.photo import eight_bit

Format = Literal["png", "webp", "jpeg"]

_LARGEST_SIDE = {"png": 1_000_000, "webp": 16383, "jpeg": 65500}
"""Pixels; for PNG the limit of libpng."""
_IHDR_END = 33
"""Bytes of a PNG's signature and first chunk."""
_LARGEST_APP1 = 65527
"""Bytes of EXIF that one segment of a JPEG holds."""


def encode(
    picture: Deep, form: Format, *, quality: int = 95, profile: bytes = b"", exif: bytes = b""
) -> bytes:
    """
    Encode *picture* as the content of a file.

    Args:
        picture: (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA with straight alpha; uint8, or uint16,
            which PNG keeps and the others reduce to 8 bits.
        form: the file's format; `jpeg` holds no alpha.
        quality: 1..100, of JPEG and WebP; WebP at 100 is lossless.
        profile: an ICC profile, or empty.
        exif: a TIFF structure, or empty; left out of a JPEG if longer than one segment.

    Raises:
        ValueError: a picture with alpha for JPEG.
        SourceUnsupported: the picture is too large for the format.
    """
    height, width = picture.shape[:2]
    if max(height, width) > _LARGEST_SIDE[form]:
        way_out = ": use png" if max(height, width) <= _LARGEST_SIDE["png"] else ""
        raise SourceUnsupported(
            f"{width}x{height} pixels: {form} holds at most {_LARGEST_SIDE[form]} a side{way_out}"
        )
    if form == "png":
        done, content = cv2.imencode(".png", picture)
        if not done:
            raise SourceUnsupported(f"{width}x{height} pixels: cannot be encoded as png")
        return _with_chunks(content.tobytes(), profile, exif)
    picture = eight_bit(picture)
    alpha = picture.ndim == 3 and picture.shape[2] == 4
    if alpha and form == "jpeg":
        raise ValueError("jpeg holds no alpha")
    code = cv2.COLOR_BGRA2RGBA if alpha else cv2.COLOR_BGR2RGB
    rgb = Pillow.fromarray(picture if picture.ndim == 2 else cv2.cvtColor(picture, code))
    out = io.BytesIO()
    if form == "webp":
        rgb.save(
            out,
            "WEBP",
            quality=quality,
            lossless=quality == 100,
            icc_profile=profile or None,
            exif=exif,
        )
    else:
        fits = 0 < len(exif) <= _LARGEST_APP1
        rgb.save(
            out,
            "JPEG",
            quality=quality,
            icc_profile=profile or None,
            exif=b"Exif\0\0" + exif if fits else b"",
        )
    return out.getvalue()


def write_whole(path: Path, content: bytes) -> None:
    """
    Write a file atomically, replacing one of that name; its folder is created if missing.

    It is written in the same folder under a hidden name that ends in `.part`, then renamed.

    Raises:
        OSError: it cannot be written; no part of it is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A random name: processes of two containers or machines may have the same number.
    part = path.with_name(f".streamer-{secrets.token_hex(8)}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _with_chunks(png: bytes, profile: bytes, exif: bytes) -> bytes:
    """*png* with its profile and EXIF (PNG, third edition: 11.3.2.3 iCCP, 11.3.3.7 eXIf)."""
    chunks = b""
    if profile:
        chunks += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    if exif:
        chunks += _chunk(b"eXIf", exif)
    return png[:_IHDR_END] + chunks + png[_IHDR_END:] if chunks else png


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return len(content).to_bytes(4) + kind + content + checksum.to_bytes(4)
