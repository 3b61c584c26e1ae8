"""
A folder of pictures, one file per frame.

Each file appears whole under its name. No file is ever replaced: a folder that already holds
numbered pictures is refused at `open`, and a timestamp that is taken gets a suffix (`…_1.png`).
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamer import compositing
from streamer.compositing import Composer, Picture
from streamer.errors import SinkError
from streamer.frame import Alpha, Frame, Matte, StreamInfo
from streamer.metrics import LatencyHistogram
from streamer.sinks.paths import make_folder, refusal
from streamer.sinks.picture import write_picture

__all__ = ["ImagesSink", "PictureKind", "utc_now", "write_picture"]

PictureKind = Literal["composed", "cutout_rgba", "mask", "alpha"]
"""`composed` BGR as the composer makes it, BGRA with straight alpha, or single-channel grey."""


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


class ImagesSink:
    """
    Writes each frame's picture into *folder*.

    Args:
        folder: made when missing.
        composer: makes `composed` pictures; not used for the other kinds.
        kind: what a picture is.
        level: the mask's smallest alpha, 1..255.
        suffix: `.png` or `.jpg`.
        quality: of JPEG, 1..100.
        names: `index` takes the stamp's index, `timestamp` the wall clock.
        limit: keep so many of the files written by this object and delete its oldest.
        clock: the wall clock in UTC.
        latency: where the making of the kinds without a composer is recorded.
    """

    name = "images"

    def __init__(
        self,
        folder: Path,
        composer: Composer,
        *,
        kind: PictureKind = "composed",
        level: int = 128,
        suffix: Literal[".png", ".jpg"] = ".png",
        quality: int = 95,
        names: Literal["index", "timestamp"] = "index",
        limit: int | None = None,
        clock: Callable[[], datetime] = utc_now,
        latency: LatencyHistogram | None = None,
    ) -> None:
        self._folder = folder
        self._composer = composer
        self._kind = kind
        self._level = level
        self._suffix = suffix
        self._quality = quality
        self._names = names
        self._limit = limit
        self._clock = clock
        self._latency = latency
        self._mask: Alpha = np.empty((0, 0), np.uint8)
        self._rgba: Picture = np.empty((0, 0, 4), np.uint8)
        self._kept: deque[Path] = deque()
        self._frames = 0
        self._bytes = 0
        self._deleted = 0

    def open(self, info: StreamInfo) -> None:
        """
        Make the folder.

        Raises:
            SinkError: it cannot be made or read, or holds numbered pictures already.
        """
        make_folder(self._folder)
        if self._names == "timestamp":
            return
        numbered = re.compile(r"\d{8,}" + re.escape(self._suffix))
        try:
            taken = next((f for f in self._folder.iterdir() if numbered.fullmatch(f.name)), None)
        except OSError as error:
            raise refusal(self._folder, error) from error
        if taken is not None:
            raise self._is_taken(taken)

    def write(self, frame: Frame, matte: Matte) -> None:
        """
        Write one file; *frame* and *matte* are borrowed until this returns.

        A frame that stands in while the source is away is no picture to keep, and leaves none.

        Raises:
            SinkError: it could not be written, or its numbered name is taken.
        """
        if frame.stamp.standby:
            return
        picture = self._picture(frame, matte)
        path, size = self._place(frame.stamp.index, picture)
        self._frames += 1
        self._bytes += size
        self._forget_oldest(path)

    def close(self) -> None:
        """Nothing to finish: every file is whole."""

    def statistics(self) -> dict[str, Any]:
        """`{type, path, frames, bytes, deleted}`; what *limit* deleted is in all. Thread-safe."""
        return {
            "type": self.name,
            "path": str(self._folder),
            "frames": self._frames,
            "bytes": self._bytes,
            "deleted": self._deleted,
        }

    def _picture(self, frame: Frame, matte: Matte) -> Picture:
        if self._kind == "composed":
            return self._composer.compose(frame.image, matte.alpha)
        started_ns = time.monotonic_ns()
        shape = matte.alpha.shape
        picture: Picture = matte.alpha
        if self._kind == "mask":
            if self._mask.shape != shape:
                self._mask = np.empty(shape, np.uint8)
            compositing.mask(matte.alpha, self._level, self._mask)
            picture = self._mask
        elif self._kind == "cutout_rgba":
            if self._rgba.shape[:2] != shape:
                self._rgba = np.empty((*shape, 4), np.uint8)
            compositing.cutout_rgba(frame.image, matte.alpha, self._rgba)
            picture = self._rgba
        if self._latency is not None:
            self._latency.record(time.monotonic_ns() - started_ns)
        return picture

    def _place(self, index: int, picture: Picture) -> tuple[Path, int]:
        """Write under the frame's name, or the next free one of its time; the path and its size."""
        if self._names == "index":
            path = self._folder / f"{index:08d}{self._suffix}"
            try:
                return path, write_picture(path, picture, self._quality, overwrite=False)
            except FileExistsError as error:
                raise self._is_taken(path) from error
        stem = f"{self._clock():%Y%m%d-%H%M%S-%f}"
        path = self._folder / f"{stem}{self._suffix}"
        collisions = 0
        while True:
            if not path.exists():
                with suppress(FileExistsError):
                    return path, write_picture(path, picture, self._quality, overwrite=False)
            collisions += 1
            path = self._folder / f"{stem}_{collisions}{self._suffix}"

    def _forget_oldest(self, newest: Path) -> None:
        if self._limit is None:
            return
        self._kept.append(newest)
        while len(self._kept) > self._limit:
            oldest = self._kept.popleft()
            try:
                oldest.unlink()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise SinkError(
                    f"{oldest}: cannot be deleted to keep the limit of {self._limit}: "
                    f"{error.strerror}"
                ) from error
            self._deleted += 1

    def _is_taken(self, path: Path) -> SinkError:
        return SinkError(
            f"{path}: exists already: choose an empty folder, "
            "put {start:%Y%m%d-%H%M%S} in its path, or set names: timestamp"
        )
