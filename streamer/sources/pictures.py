"""Any picture as a frame: upright 8-bit BGR on black."""

from __future__ import annotations

from pathlib import Path

from streamer.frame import Image
from streamer.pictures import Photo, open_picture


def read_picture(path: str | Path) -> Image:
    """
    Read one picture as it is meant to be seen.

    Grey, palette, CMYK and 16 bits become 8-bit BGR in sRGB (65535 is 255), EXIF rotation is
    applied, and transparency lies on black, so that colours hidden under it never show.

    Returns:
        (H, W, 3) uint8 BGR, C-contiguous; the caller's own.

    Raises:
        SourceNotFound: no such file, or not ours to read.
        SourceUnsupported: not a picture, a damaged one, or one of more than
            `streamer.pictures.MAX_PIXELS`.
    """
    return read_photo(path).seen()


def read_photo(path: str | Path) -> Photo:
    """The picture of a file with what is beside it; raises as `read_picture` does."""
    with open_picture(path) as picture:
        return picture.read()
