"""
Pictures of 16 bits a channel.

Pillow decodes grey of them; colour it makes 8 bits, so that is decoded by OpenCV. What the two make
different of a TIFF's 8 and 16 bits is made the same here.
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
    """How a *picture* that is not decoded yet is stored, such as `RGBA;16B`, where Pillow says."""
    tiles: Any = getattr(picture, "tile", [])
    arguments = tiles[0].args if tiles else ""
    raw = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return raw if isinstance(raw, str) else ""


def is_deep(picture: Pillow.Image, raw: str, file: IO[bytes]) -> bool:
    """
    Whether a *picture* has 16 bits a channel of more than one, which Pillow would halve.

    Args:
        picture: not decoded yet.
        raw: what `stored_as` says of it.
        file: its content.
    """
    if picture.mode not in ("RGB", "RGBA") or ";16" not in raw:
        return False
    return picture.format == "PNG" or (picture.format == "TIFF" and _is_one_picture_to_all(file))


def decoded(picture: Pillow.Image, file: IO[bytes]) -> tuple[Deep, Deep | None]:
    """The colours and transparency of a *picture* that `is_deep`; Pillow has found it whole."""
    key = picture.info.get("transparency")
    file.seek(0)
    data = _bare_png(file.read()) if picture.format == "PNG" else file.read()
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise ValueError("cannot be decoded")
    if stored.ndim == 3 and stored.shape[2] == 4:
        colours = np.ascontiguousarray(stored[..., :3])
        if picture.mode == "RGB":  # whose fourth channel, so the file, says nothing
            return colours, None
        alpha = np.ascontiguousarray(stored[..., 3])
        if _tag(picture, EXTRASAMPLES) == _ASSOCIATED:
            colours = _straight(colours, alpha)
        return colours, alpha
    return stored, _keyed(stored, key[::-1] if isinstance(key, tuple) else None)


def grey(picture: Pillow.Image) -> tuple[Deep, Deep | None]:
    """The colours, all one grey, and transparency of a *picture* of mode I or one of its kin."""
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
    Whether no entry of a TIFF is there twice, of which another decoder might take the other.

    It could be a larger picture then than the one whose size was looked at. BigTIFF is not.
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
    """What a TIFF says under a *number*; None where it does not, and of what is no TIFF."""
    return picture.tag_v2.get(number) if isinstance(picture, TiffImageFile) else None


def _straight(colours: Deep, alpha: Deep) -> Deep:
    """16-bit *colours* (H, W, 3) that are multiplied by *alpha* (H, W), as they were before."""
    weights = cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR)
    return cv2.divide(colours, weights, dst=weights, scale=65535)


def _bare_png(data: bytes) -> bytes:
    """
    *data*, a PNG, without all but its first frame's pixels.

    OpenCV makes room for as much as a chunk says to hold, and there is no end to what one can say.
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
    """The alpha of 16-bit *colours* (H, W, 3) of which *key*, in their order, is transparent."""
    if key is None:
        return None
    return np.where((colours == key).all(axis=2), np.uint16(0), np.uint16(65535))
