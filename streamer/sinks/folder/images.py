"""
A folder of pictures: one file for each frame, or for chosen ones.

Each file appears whole under its name. No file is ever replaced: a folder that already holds
numbered pictures is refused at `open`, and a timestamp that is taken gets a suffix (`…_1.png`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from streamer.compositing import Picture, SinkComposer
from streamer.config import ImagesSinkConfig
from streamer.errors import SinkError
from streamer.frame import Frame, Matte, StreamInfo
from streamer.sinks.folder.moments import Appearances, Every, Moments, Spaced, Triggered
from streamer.sinks.folder.retention import Retention
from streamer.sinks.making import Making
from streamer.sinks.shared.paths import make_folder, refusal
from streamer.sinks.shared.picture import write_picture

_Suffix = Literal[".png", ".jpg", ".webp"]


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


_SUFFIXES: dict[str, _Suffix] = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


def make(config: ImagesSinkConfig, making: Making) -> ImagesSink:
    """The sink that *config* asks for; see `Making`."""
    return ImagesSink(
        making.path(config.path),
        making.composer(config, making.best_pixels(config)),
        suffix=_SUFFIXES[config.format],
        quality=config.quality,
        names=config.names,
        moments=_moments(config),
        retention=Retention(config.limit, config.limit_mb, config.limit_age_s),
    )


def _moments(config: ImagesSinkConfig) -> Moments:
    match config.when:
        case "every_frame":
            return Every()
        case "interval":
            assert config.every_s is not None  # noqa: S101 - the configuration says so
            return Spaced(config.every_s)
        case "trigger":
            return Triggered()
        case "subject":
            return Appearances(config.subject_share, config.absent_s)


class ImagesSink:
    """
    Writes pictures of frames into *folder*.

    Args:
        folder: made when missing.
        composer: makes the pictures, in any pixel format.
        suffix: of the files.
        quality: of JPEG and WebP, 1..100.
        names: after the stamp's `index`, or the wall clock's `timestamp`.
        moments: chooses the frames; every one when None.
        retention: how many of the files written by this object stay; all when None.
        clock: the wall clock in UTC.
    """

    name = "images"

    def __init__(
        self,
        folder: Path,
        composer: SinkComposer,
        *,
        suffix: _Suffix = ".png",
        quality: int = 95,
        names: Literal["index", "timestamp"] = "index",
        moments: Moments | None = None,
        retention: Retention | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._folder = folder
        self._composer = composer
        self._suffix = suffix
        self._quality = quality
        self._names = names
        self._moments = moments or Every()
        self._retention = retention or Retention()
        self._clock = clock
        self._frames = 0
        self._bytes = 0

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
        Write one file if the frame is wanted; *frame* and *matte* are borrowed until this returns.

        A stand-by frame, which fills in while the source is away, leaves no file.

        Raises:
            SinkError: it could not be written, its numbered name is taken, or an old one cannot be
                deleted.
        """
        if not frame.stamp.standby and self._moments.wants(frame, matte):
            self._write(frame, matte)
        self._retention.apply()

    def trigger(self) -> bool:
        """Take a picture of the next frame; False if not set up for triggers. Thread-safe."""
        if not isinstance(self._moments, Triggered):
            return False
        self._moments.trigger()
        return True

    def close(self) -> None:
        """Close the composer; every file is whole already. Safe to call twice."""
        self._composer.close()

    def statistics(self) -> dict[str, Any]:
        """`{type, path, frames, bytes, deleted}`; all count deleted files too. Thread-safe."""
        return {
            "type": self.name,
            "path": str(self._folder),
            "frames": self._frames,
            "bytes": self._bytes,
            "deleted": self._retention.deleted,
        }

    def _write(self, frame: Frame, matte: Matte) -> None:
        picture = self._composer.picture_of(frame, matte)
        path, size = self._place(frame.stamp.index, picture)
        self._frames += 1
        self._bytes += size
        self._retention.add(path, size)

    def _place(self, index: int, picture: Picture) -> tuple[Path, int]:
        """Write under the frame's name, or the next free one of its time; return path and size."""
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

    def _is_taken(self, path: Path) -> SinkError:
        return SinkError(
            f"{path}: exists already: choose an empty folder, "
            "put {start:%Y%m%d-%H%M%S} in its path, or set names: timestamp"
        )
