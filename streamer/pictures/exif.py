"""
The part of a picture's EXIF that is kept: by whom, when, where and with what it was taken.

Everything else is left out, above all what may show the picture with its background: thumbnails,
previews in maker notes, layers of an editor.
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
"""Entries of the Exif directory that may hold a picture, or point to data that is gone."""
_LONGEST = 4096
"""Most bytes of one entry; a longer one may be a picture."""


def orientation(picture: Pillow.Image) -> int:
    """The EXIF orientation of a decoded *picture*, 1 to 8; 1 if it has none."""
    try:
        value = picture.getexif().get(Base.Orientation, 1)
    except Exception:  # damage raises anything
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def kept(picture: Pillow.Image, size: tuple[int, int]) -> bytes:
    """
    The kept EXIF of *picture*, as a TIFF structure; empty if there is none.

    Args:
        picture: decoded.
        size: its (width, height) when upright; the orientation written here is 1.
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
    """A text entry that keeps its bytes; Pillow would encode it as ASCII with `?`."""

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        """The original bytes, which Pillow has decoded as Latin-1."""
        return super().encode("latin-1", errors)


def _as_stored(value: Any) -> Any:
    return _Text(value) if isinstance(value, str) else value
