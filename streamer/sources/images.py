"""
Pictures as a stream: one file, a folder, or a glob, by natural order of names or in another.

Each picture is upright 8-bit BGR on black (`read_photo`). A folder's pictures are decoded into
memory of their own, one at a time; a single one is decoded once. A round shows every picture once,
even if the order is changed meanwhile.
"""

from __future__ import annotations

import glob
import logging
import random
import time
from collections import deque
from fractions import Fraction
from pathlib import Path

import numpy as np

from streamer.config import ImagesSourceConfig, SourceConfig
from streamer.errors import (
    CorruptFrame,
    EndOfStream,
    FormatChanged,
    SourceLost,
    SourceNotFound,
    SourceUnsupported,
)
from streamer.frame import Grab, Image, StreamInfo
from streamer.pictures import ANIMATION, left_out, natural, photographs, shown
from streamer.sources.pictures import read_photo

_log = logging.getLogger(__name__)


class ImagesSource:
    """A picture, the pictures of a folder, or those that a glob finds, at a steady rate."""

    def __init__(self, config: ImagesSourceConfig) -> None:
        self._config = self._wanted = config
        self._fps = Fraction(str(config.fps))
        self._name = Path(config.path).name or config.path
        self._paths: list[Path] = []
        self._left: deque[Path] = deque()
        self._round = 0
        self._index = 0
        self._missed = 0
        self._told: set[str] = set()
        self._pending: Image | None = None
        self._only: Image | None = None
        self._open = False
        self._ended = False

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
        self._paths, left_out = find_pictures(self._config.path)
        for told in left_out:
            self._tell_once(told)
        self._left = self._sorted(self._paths)
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
        self._heed()
        if not self._left:
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
        self._missed = 0
        self._pass()
        return Grab(self._index - 1, 1 / self._fps, time.monotonic_ns())

    def adjust(self, config: SourceConfig) -> None:
        """
        Take `order`, `seed` and `loop` of *config* from the next picture on.

        The rest of this round comes in the new order; later rounds show every picture.
        Thread-safe.
        """
        assert isinstance(config, ImagesSourceConfig)  # noqa: S101 - the kind it was made with
        self._wanted = config

    def close(self) -> None:
        """Forget the pictures. Never raises."""
        self._open = False
        self._pending = self._only = None

    def _heed(self) -> None:
        """Apply adjusted settings. A picture that `FormatChanged` has announced stays next."""
        before, self._config = self._config, self._wanted
        if (before.order, before.seed) == (self._config.order, self._config.seed):
            return
        first = [self._left.popleft()] if self._pending is not None else []
        left = set(self._left)
        self._left = self._sorted([path for path in self._paths if path in left])
        self._left.extendleft(first)

    def _sorted(self, paths: list[Path]) -> deque[Path]:
        """*paths*, which are sorted by name, in the order of this round."""
        match self._config.order:
            case "reverse":
                return deque(reversed(paths))
            case "time":
                return deque(sorted(paths, key=_changed_ns))
            case "random":
                chance = random.Random(self._config.seed + self._round)  # noqa: S311 - no secret
                return deque(chance.sample(paths, len(paths)))
        return deque(paths)

    def _begin_round(self) -> None:
        self._ended = self._ended or not self._config.loop
        if self._ended:
            raise EndOfStream
        self._round += 1
        self._left = self._sorted(self._paths)

    def _pass(self) -> None:
        """Go on to the next picture."""
        self._left.popleft()
        self._index += 1

    def _first_good(self) -> Image:
        bad = ""
        for path in self._left:
            try:
                return self._read(path)
            except (SourceNotFound, SourceUnsupported) as error:
                bad = bad or str(error)
        if len(self._paths) == 1:
            raise SourceUnsupported(bad)
        raise SourceUnsupported(f"{self._config.path}: none of its pictures can be read: {bad}")

    def _load(self) -> Image:
        if self._only is not None:
            return self._only
        try:
            return self._read(self._left[0])
        except (SourceNotFound, SourceUnsupported) as error:
            self._pass()
            self._missed += 1
            # Twice the number of pictures is sure to contain a whole round, whatever the order.
            if self._missed >= 2 * len(self._paths):
                raise SourceLost(
                    f"{self._name}: none of its pictures can be read any more: {error}"
                ) from error
            raise CorruptFrame(str(error)) from error

    def _read(self, path: Path) -> Image:
        """Read the picture at *path*; warn, once, if its file holds more."""
        photo = read_photo(path)
        if photo.more:
            way_out = ": `type: file` plays it" if photo.more == ANIMATION else ""
            self._tell_once(f"{shown(path)}: {photo.more}: the first picture is taken{way_out}")
        return photo.seen()

    def _tell_once(self, text: str) -> None:
        """Log the warning *text*, unless this source has logged it before."""
        if text not in self._told:
            self._told.add(text)
            _log.warning("%s", text)

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
    """When *path* was changed; 0 if that fails: it comes first, and fails when it is read."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def find_pictures(path: str) -> tuple[list[Path], list[str]]:
    """
    The file *path*, the pictures in the folder *path*, or the files that the glob *path* finds.

    Returns:
        At least one path, in natural order: `2.png` before `10.png`; and a message for each reason
        why files are left out.

    Raises:
        SourceNotFound: there is none, or the folder is not ours to read.
        SourceUnsupported: nothing in the folder can be read here.
    """
    try:
        return _found(path)
    except OSError as error:
        raise SourceNotFound(f"{path}: {error.strerror}") from error


def _readable(place: str, paths: list[Path]) -> tuple[list[Path], list[str]]:
    """The *paths* that can be read, by suffix, and a message for each reason to leave some out."""
    left: list[str] = []
    reasons = {path: reason for path in paths if (reason := left_out(path)) is not None}
    for reason in dict.fromkeys(reasons.values()):
        names = [shown(path.name) for path in paths if reasons.get(path) == reason]
        told = f"{place}: {len(names)} left out, {names[0]} the first of them: {reason}"
        if len(reasons) == len(paths):
            raise SourceUnsupported(told)
        left.append(told)
    return [path for path in paths if path not in reasons], left


def _found(path: str) -> tuple[list[Path], list[str]]:
    place = Path(path)
    if place.is_file():
        return [place], []
    if place.is_dir():
        there = photographs([p for p in place.iterdir() if p.is_file()])
        if not there:
            raise SourceNotFound(f"{path}: no pictures in this folder")
        return _readable(path, sorted(there, key=natural))
    if glob.has_magic(path):
        # Two `**` find a file several times. (PTH207: the pattern may be absolute.)
        names = dict.fromkeys(glob.glob(path, recursive=True))  # noqa: PTH207
        matching = [p for p in map(Path, names) if p.is_file()]
        if not matching:
            raise SourceNotFound(f"{path}: no file matches")
        return _readable(path, sorted(matching, key=natural))
    raise SourceNotFound(f"{path}: no such file or folder")
