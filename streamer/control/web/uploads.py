"""Pictures that browsers bring: looked at with care, and kept as few."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import cv2

from streamer.control.web.problems import Problem
from streamer.core.writing import write_whole
from streamer.errors import SourceError
from streamer.frame import Image
from streamer.models.store.cache import cache_folder, make_folder, write_error
from streamer.pictures import open_picture

_MOST_PIXELS = 40_000_000
_MOST_KEPT = 32
_NAME = "the picture"


def keep(data: bytes, used: Collection[str] = ()) -> Path:
    """
    Write a picture to the cache, made anew from its pixels alone; returns where.

    Args:
        data: a PNG, JPEG or WebP.
        used: files that stay; of others, the newest 32 do.

    Raises:
        Problem: it is no such picture, or has more than 40 million pixels.
        ModelFetchError: the cache cannot be written.
    """
    image = _seen(data)
    folder = make_folder(cache_folder() / "backgrounds")
    path = folder / f"{hashlib.sha256(data).hexdigest()[:32]}.png"
    _, png = cv2.imencode(".png", image, (cv2.IMWRITE_PNG_COMPRESSION, 1))
    try:
        write_whole(path, png.data)
    except OSError as error:
        raise write_error(error, folder) from error
    _leave_newest(folder, {*used, str(path)})
    return path


def _seen(data: bytes) -> Image:
    """The picture in *data*: upright, in sRGB, on black where it is transparent."""
    if not _is_of_browsers(data):
        raise Problem(422, f"{_NAME}: is no PNG, JPEG or WebP")
    try:
        with open_picture(data, name=_NAME, max_pixels=sys.maxsize) as picture:
            if picture.pixels > _MOST_PIXELS:
                raise Problem(413, f"{_NAME}: is too large: 40 million pixels at most")
            return picture.read().seen()
    except SourceError as error:
        raise Problem(422, str(error)) from error


def _is_of_browsers(data: bytes) -> bool:
    return data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")) or (data[:4], data[8:12]) == (
        b"RIFF",
        b"WEBP",
    )


def _leave_newest(folder: Path, used: Collection[str]) -> None:
    """Remove the oldest pictures beyond the number that is kept."""
    with suppress(OSError):  # another process may tidy too
        kept = sorted(folder.glob("*.png"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-_MOST_KEPT]:
            if str(path) not in used:
                path.unlink(missing_ok=True)
