"""
What is kept of a picture's EXIF: who, when, where and with what it was taken.

All else is left out, above all what may hold the picture again with its background: thumbnails,
previews in a maker's own notes, an editor's layers.
"""

from __future__ import annotations

from typing import Any

from PIL import Image as Pillow
from PIL.ExifTags import IFD, Base

_KEPT = frozenset(
    {
        Base.ImageDescription,
        Base.Make,
        Base.Model,
        Base.XResolution,
        Base.YResolution,
        Base.ResolutionUnit,
        Base.Software,
        Base.DateTime,
        Base.Artist,
        Base.HostComputer,
        Base.Copyright,
        Base.Rating,
    }
)
_PICTURES = (Base.MakerNote, IFD.Interop)
"""Of the Exif directory: what may hold a picture, or points to where it no longer is."""
_LONGEST = 4096
"""Bytes of one entry; what is longer may be a picture too."""


def orientation(picture: Pillow.Image) -> int:
    """How a decoded *picture* is to be turned, 1 to 8; 1 where it does not say."""
    try:
        value = picture.getexif().get(Base.Orientation, 1)
    except Exception:  # damage raises anything
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def kept(picture: Pillow.Image, size: tuple[int, int]) -> bytes:
    """
    What is kept of the EXIF of *picture*, as a TIFF structure; empty where it has none.

    Args:
        picture: decoded.
        size: (width, height) of it when turned upright, as its orientation here says: 1.
    """
    try:
        theirs = picture.getexif()
        ours = Pillow.Exif()
        for tag in _KEPT & set(theirs):
            ours[tag] = _as_stored(theirs[tag])
        for directory in (IFD.Exif, IFD.GPSInfo):
            entries = {
                tag: _as_stored(value)
                for tag, value in theirs.get_ifd(directory).items()
                if not isinstance(value, bytes) or len(value) <= _LONGEST
            }
            if directory == IFD.Exif:
                for secret in _PICTURES:
                    entries.pop(secret, None)
                if Base.ExifImageWidth in entries:
                    entries[Base.ExifImageWidth], entries[Base.ExifImageHeight] = size
            if entries:
                ours[directory] = entries
        if not len(ours):
            return b""
        ours[Base.Orientation] = 1
        return ours.tobytes().removeprefix(b"Exif\0\0")
    except Exception:  # damage raises anything
        return b""


class _Text(str):
    """A text of an entry whose bytes stay as they were; Pillow makes ASCII and `?` of a text."""

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        """Its bytes, which Pillow has read as Latin-1, whatever they were."""
        return super().encode("latin-1", errors)


def _as_stored(value: Any) -> Any:
    return _Text(value) if isinstance(value, str) else value
