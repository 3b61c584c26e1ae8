"""
Pictures of 16 bits a channel.

Pillow decodes 16-bit grey, but reduces colour to 8 bits, so OpenCV decodes colour. Where the two
treat TIFF differently, the results are made the same for 8 and 16 bits here.
"""

from __future__ import annotations

import struct
from typing import IO, Any

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL.TiffImagePlugin import EXTRASAMPLES, PHOTOMETRIC_INTERPRETATION, TiffImageFile

from streamer.pictures.colour import Deep

_WHITE_IS_ZERO = 0
"""A TIFF's PhotometricInterpretation (TIFF 6.0)."""
_ASSOCIATED = (1,)
"""A TIFF's ExtraSamples where the colours are multiplied by the alpha."""


def stored_as(picture: Pillow.Image) -> str:
    """The raw mode of a *picture* not yet decoded, such as `RGBA;16B`; empty if unknown."""
    tiles: Any = getattr(picture, "tile", [])
    arguments = tiles[0].args if tiles else ""
    raw = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return raw if isinstance(raw, str) else ""


def is_deep(picture: Pillow.Image, raw: str, file: IO[bytes]) -> bool:
    """
    Whether a *picture* has several channels of 16 bits, which Pillow would reduce to 8.

    Args:
        picture: not decoded yet.
        raw: its raw mode, from `stored_as`.
        file: its content.
    """
    if picture.mode not in ("RGB", "RGBA") or ";16" not in raw:
        return False
    return picture.format == "PNG" or (picture.format == "TIFF" and _is_one_picture_to_all(file))


def decoded(picture: Pillow.Image, file: IO[bytes]) -> tuple[Deep, Deep | None]:
    """The colours and alpha of a *picture* that `is_deep`, which Pillow has loaded already."""
    key = picture.info.get("transparency")
    file.seek(0)
    data = _bare_png(file.read()) if picture.format == "PNG" else file.read()
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise ValueError("cannot be decoded")
    if stored.ndim == 3 and stored.shape[2] == 4:
        colours = np.ascontiguousarray(stored[..., :3])
        if picture.mode == "RGB":  # by the file, its fourth channel is no alpha
            return colours, None
        alpha = np.ascontiguousarray(stored[..., 3])
        if _tag(picture, EXTRASAMPLES) == _ASSOCIATED:
            colours = _straight(colours, alpha)
        return colours, alpha
    return stored, _keyed(stored, key[::-1] if isinstance(key, tuple) else None)


def grey(picture: Pillow.Image) -> tuple[Deep, Deep | None]:
    """The colours (equal channels) and alpha of a *picture* of mode I, I;16 or the like."""
    values = np.asarray(picture)
    if values.dtype != np.uint16:  # mode I: 16 bits in 32, with a sign
        values = np.clip(values, 0, 65535).astype(np.uint16)
    if _tag(picture, PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO:
        values = cv2.bitwise_not(values)
    key = picture.info.get("transparency")
    colours = cv2.cvtColor(values, cv2.COLOR_GRAY2BGR)
    return colours, _keyed(colours, (key,) * 3 if isinstance(key, int) else None)


def _is_one_picture_to_all(file: IO[bytes]) -> bool:
    """
    Whether a TIFF has each tag only once, so that all decoders find the same picture.

    With duplicates, OpenCV might decode a larger picture than the one whose size was checked. False
    for BigTIFF.
    """
    file.seek(0)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(file.read(4))
    if order is None:
        return False
    (directory,) = struct.unpack(order + "I", file.read(4))
    file.seek(directory)
    (count,) = struct.unpack(order + "H", file.read(2))
    tags = [file.read(12)[:2] for _ in range(count)]
    return len(set(tags)) == len(tags)


def _tag(picture: Pillow.Image, number: int) -> Any:
    """The value of a TIFF's tag *number*; None if it is missing, or if this is no TIFF."""
    return picture.tag_v2.get(number) if isinstance(picture, TiffImageFile) else None


def _straight(colours: Deep, alpha: Deep) -> Deep:
    """Undo the multiplication of 16-bit *colours* (H, W, 3) by *alpha* (H, W)."""
    weights = cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR)
    return cv2.divide(colours, weights, dst=weights, scale=65535)


def _bare_png(data: bytes) -> bytes:
    """
    *data*, a PNG, with only the chunks of its first frame's pixels.

    OpenCV allocates as much as any other chunk claims to hold, and a claim has no limit.
    """
    kept, at = [data[:8]], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if end > len(data):
            raise ValueError("cut off")
        if data[at + 4 : at + 8] in (b"IHDR", b"IDAT", b"IEND"):
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _keyed(colours: Deep, key: tuple[int, ...] | None) -> Deep | None:
    """The alpha of 16-bit *colours* (H, W, 3) if the colour *key*, in BGR, is transparent."""
    if key is None:
        return None
    return np.where((colours == key).all(axis=2), np.uint16(0), np.uint16(65535))
