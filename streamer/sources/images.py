"""
Pictures as a stream: one file, a folder by natural order of names, or a glob.

`read_picture` turns any picture that OpenCV reads into upright 8-bit BGR on black. A folder's
pictures are decoded into memory of their own, one at a time; a single one is decoded once.
"""

from __future__ import annotations

import glob
import re
import struct
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.config import PICTURE_SUFFIXES, ImagesSourceConfig
from streamer.errors import (
    CorruptFrame,
    EndOfStream,
    FormatChanged,
    SourceLost,
    SourceNotFound,
    SourceUnsupported,
)
from streamer.frame import Grab, Image, StreamInfo

_JPEG = b"\xff\xd8\xff"
_ORIENTATION = 0x0112


def read_picture(path: str | Path) -> Image:
    """
    Read one picture as it is meant to be seen.

    Grey, palette, CMYK and 16 bits become 8-bit BGR (65535 is 255), EXIF rotation is applied,
    and transparency lies on black, so that colours hidden under it never show.

    Returns:
        (H, W, 3) uint8 BGR, C-contiguous; the caller's own.

    Raises:
        SourceNotFound: no such file, or not ours to read.
        SourceUnsupported: not a picture, or a damaged one.
    """
    try:
        data = Path(path).read_bytes()
    except IsADirectoryError:
        raise SourceUnsupported(f"{path}: is a folder, not a picture") from None
    except PermissionError:
        raise SourceNotFound(f"{path}: may not be read: check its permissions") from None
    except OSError:
        raise SourceNotFound(f"{path}: no such file") from None
    # Of a JPEG, OpenCV applies the rotation itself; of what may be transparent or deep, it would
    # drop what is asked for here, so that is taken as stored.
    flags = cv2.IMREAD_COLOR if data.startswith(_JPEG) else cv2.IMREAD_UNCHANGED
    try:
        stored = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:
        stored = None
    if stored is None:
        raise SourceUnsupported(f"{path}: not a picture that can be read, or a damaged one")
    upright = _turn(_on_black(_eight_bit(stored)), _orientation(data))
    return np.ascontiguousarray(upright)


def _eight_bit(stored: NDArray[Any]) -> NDArray[np.uint8]:
    if stored.dtype == np.uint16:
        stored = (stored.astype(np.uint32) + 128) // 257
    if stored.dtype.kind == "f":
        stored = np.clip(np.nan_to_num(stored), 0, 1) * 255 + 0.5
    return stored.astype(np.uint8, copy=False)


def _on_black(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    if channels == 1:
        return np.repeat(picture.reshape(*picture.shape[:2], 1), 3, axis=2)
    if channels == 2:
        picture = picture[..., [0, 0, 0, 1]]
    if channels == 3:
        return picture
    alpha = picture[..., 3:].astype(np.uint16)
    lit: NDArray[np.uint8] = ((picture[..., :3] * alpha + 127) // 255).astype(np.uint8)
    return lit


def _orientation(data: bytes) -> int:
    """EXIF's orientation (1 to 8) of a PNG or WebP; 1 of anything else, or where it has none."""
    if data.startswith(b"\x89PNG"):
        start = data.find(b"eXIf") + 4
    elif data[8:12] == b"WEBP":
        start = data.find(b"EXIF", 12) + 8
    else:
        return 1
    tiff = data[start:].removeprefix(b"Exif\0\0") if start > 8 else b""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, directory)
        for entry in range(entries):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, directory + 2 + 12 * entry)
            if tag == _ORIENTATION:
                return int(value)
    except struct.error:
        return 1
    return 1


def _turn(picture: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """*picture* as EXIF's *orientation* says it is to be seen (TIFF 6.0, Orientation)."""
    if orientation in {5, 6, 7, 8}:
        picture = picture.transpose(1, 0, 2)
    if orientation in {3, 4, 7, 8}:
        picture = picture[::-1]
    if orientation in {2, 3, 6, 7}:
        picture = picture[:, ::-1]
    return picture


class ImagesSource:
    """A picture, the pictures of a folder, or those that a glob finds, at a steady rate."""

    def __init__(self, config: ImagesSourceConfig) -> None:
        self._config = config
        self._fps = Fraction(str(config.fps))
        self._name = Path(config.path).name or config.path
        self._paths: list[Path] = []
        self._index = 0
        self._pending: Image | None = None
        self._only: Image | None = None
        self._open = False

    def __repr__(self) -> str:
        return f"ImagesSource({self._name}, {len(self._paths)} pictures)"

    @property
    def name(self) -> str:
        """The name of the file or folder, or the glob's last part."""
        return self._name

    def open(self) -> StreamInfo:
        """
        Find the pictures and read the first good one, which says the size.

        Raises:
            SourceNotFound: no such file, or no picture in the folder.
            SourceUnsupported: not one of them can be read.
        """
        self._paths = find_pictures(self._config.path)
        first = self._first_good()
        if len(self._paths) == 1:
            self._only = first
        self._size = (first.shape[1], first.shape[0])
        self._open = True
        return self._info()

    def read(self, out: Image) -> Grab:
        """Write the next picture into *out*; see `Source.read`."""
        if not self._open:
            raise SourceLost(f"{self._name}: is not open")
        if self._index >= len(self._paths) and not self._config.loop:
            raise EndOfStream
        picture = self._pending if self._pending is not None else self._load()
        size = (picture.shape[1], picture.shape[0])
        if size != self._size:
            self._pending, self._size = picture, size
            raise FormatChanged(self._info())
        if out.shape != picture.shape:
            raise ValueError(f"an array of {out.shape} for a picture of {size[0]}x{size[1]}")
        np.copyto(out, picture)
        self._pending = None
        self._index += 1
        return Grab(self._index - 1, 1 / self._fps, time.monotonic_ns())

    def close(self) -> None:
        """Forget the pictures. Never raises."""
        self._open = False
        self._pending = self._only = None

    def _first_good(self) -> Image:
        bad = ""
        for path in self._paths:
            try:
                return read_picture(path)
            except (SourceNotFound, SourceUnsupported) as error:
                bad = bad or str(error)
        if len(self._paths) == 1:
            raise SourceUnsupported(bad)
        raise SourceUnsupported(f"{self._config.path}: none of its pictures can be read: {bad}")

    def _load(self) -> Image:
        if self._only is not None:
            return self._only
        try:
            return read_picture(self._paths[self._index % len(self._paths)])
        except (SourceNotFound, SourceUnsupported) as error:
            self._index += 1
            raise CorruptFrame(str(error)) from error

    def _info(self) -> StreamInfo:
        return StreamInfo(
            self._name,
            *self._size,
            fps=self._fps,
            time_base=1 / self._fps,
            live=self._config.realtime,
            paced=self._config.realtime,
            frames=None if self._config.loop else len(self._paths),
        )


def find_pictures(path: str) -> list[Path]:
    """
    The file *path*, the pictures in the folder *path*, or the files that the glob *path* finds.

    Returns:
        At least one path, in natural order: `2.png` before `10.png`.

    Raises:
        SourceNotFound: there is none.
    """
    place = Path(path)
    if place.is_file():
        return [place]
    if place.is_dir():
        found = [p for p in place.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file()]
        if not found:
            raise SourceNotFound(f"{path}: no pictures in this folder")
    elif glob.has_magic(path):
        found = [p for p in map(Path, glob.glob(path, recursive=True)) if p.is_file()]  # noqa: PTH207 - the pattern may be absolute
        if not found:
            raise SourceNotFound(f"{path}: no file matches")
    else:
        raise SourceNotFound(f"{path}: no such file or folder")
    return sorted(found, key=_natural)


def _natural(path: Path) -> tuple[str, list[tuple[int, str]], str]:
    parts = re.split(r"(\d+)", path.name.lower())
    return str(path.parent), [(int(p) if p.isdigit() else -1, p) for p in parts], path.name
