"""
Encode pictures in memory, as the content of files.

OpenCV encodes PNG: it writes 16 bits and is faster. Pillow encodes JPEG and WebP.
"""

from __future__ import annotations

import io
from typing import Literal

import cv2
import numpy as np
from PIL import Image as Pillow

from streamer.errors import SourceUnsupported
from streamer.pictures.colour import Deep
from streamer.pictures.photo import eight_bit

Format = Literal["png", "webp", "jpeg"]

_LARGEST_SIDE = {"png": 1_000_000, "webp": 16383, "jpeg": 65500}
"""Pixels; for PNG the limit of libpng."""
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
        told = {cv2.IMAGE_METADATA_ICCP: profile, cv2.IMAGE_METADATA_EXIF: exif}
        kinds = [kind for kind, content in told.items() if content]
        contents = [np.frombuffer(told[kind], np.uint8) for kind in kinds]
        done, content = cv2.imencodeWithMetadata(".png", picture, kinds, contents)
        if not done:
            raise SourceUnsupported(f"{width}x{height} pixels: cannot be encoded as png")
        return bytes(content.tobytes())
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
