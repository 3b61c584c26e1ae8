"""
Pictures as a stream: one file, a folder, or a glob, by natural order of names or in another.

Each picture is upright 8-bit BGR on black (`read_picture`). A folder's pictures are decoded into
memory of their own, one at a time; a single one is decoded once.
"""

from __future__ import annotations

import glob
import random
import re
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

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
from streamer.sources.pictures import read_picture


class ImagesSource:
    """A picture, the pictures of a folder, or those that a glob finds, at a steady rate."""

    def __init__(self, config: ImagesSourceConfig) -> None:
        self._config = config
        self._fps = Fraction(str(config.fps))
        self._name = Path(config.path).name or config.path
        self._paths: list[Path] = []
        self._index = 0
        self._round = 0
        self._missed = 0
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
        self._paths = self._sorted(find_pictures(self._config.path))
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
        if self._index // len(self._paths) != self._round:
            self._begin_round()
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
        self._missed = 0
        return Grab(self._index - 1, 1 / self._fps, time.monotonic_ns())

    def close(self) -> None:
        """Forget the pictures. Never raises."""
        self._open = False
        self._pending = self._only = None

    def _sorted(self, paths: list[Path]) -> list[Path]:
        """*paths*, which are by name, in the order of the first round."""
        match self._config.order:
            case "reverse":
                return paths[::-1]
            case "time":
                return sorted(paths, key=_changed_ns)
            case "random":
                return _shuffled(paths, self._config.seed)
        return paths

    def _begin_round(self) -> None:
        self._round += 1
        if self._config.order == "random":
            self._paths = _shuffled(self._paths, self._config.seed + self._round)

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
            self._missed += 1
            # Two rounds' worth has a whole round in it, whatever its order.
            if self._missed >= 2 * len(self._paths):
                raise SourceLost(
                    f"{self._name}: none of its pictures can be read any more: {error}"
                ) from error
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


def _changed_ns(path: Path) -> int:
    """When *path* was changed; what cannot be asked comes first, and says so when it is read."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _shuffled(paths: list[Path], seed: int) -> list[Path]:
    return random.Random(seed).sample(paths, len(paths))  # noqa: S311 - nothing is kept secret


def find_pictures(path: str) -> list[Path]:
    """
    The file *path*, the pictures in the folder *path*, or the files that the glob *path* finds.

    Returns:
        At least one path, in natural order: `2.png` before `10.png`.

    Raises:
        SourceNotFound: there is none, or the folder is not ours to read.
    """
    try:
        return sorted(_found(path), key=_natural)
    except OSError as error:
        raise SourceNotFound(f"{path}: {error.strerror}") from error


def _found(path: str) -> list[Path]:
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
    return found


def _natural(path: Path) -> tuple[str, list[tuple[int, str]], str]:
    parts = re.split(r"(\d+)", path.name.lower())
    return str(path.parent), [(int(p) if p.isdigit() else -1, p) for p in parts], path.name
