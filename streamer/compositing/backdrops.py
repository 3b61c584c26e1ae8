"""
Backgrounds of composites: a colour, a picture, a video, or the room itself (`room.py`).

Pictures cover the frame: they are scaled with their shape kept, and the excess on both sides is cut
off.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np

from streamer.compositing.colours import Colour, Plain, colour
from streamer.compositing.room import BlurredRoom, DimmedRoom, PixelatedRoom
from streamer.config import (
    BackgroundConfig,
    BlurBackgroundConfig,
    ColourBackgroundConfig,
    DimBackgroundConfig,
    ImageBackgroundConfig,
    PixelateBackgroundConfig,
    TransparentBackgroundConfig,
    VideoBackgroundConfig,
)
from streamer.errors import ConfigError, SourceError
from streamer.frame import Alpha, Image

_log = logging.getLogger(__name__)


class VideoAt(Protocol):
    """A video without an end. Used by one thread."""

    def __call__(self, pts_s: float) -> Image:
        """
        The picture at *pts_s* seconds of the stream's time.

        Returns:
            (h, w, 3) uint8 BGR of the video's own size; borrowed until the next call.
        """
        ...

    def close(self) -> None:
        """Release the file. Never raises; safe to call twice."""
        ...


OpenVideo = Callable[[str], VideoAt]
"""Opens the video at a path. Raises SourceError."""


class Backdrop(Protocol):
    """The background of composites. Used by one thread."""

    def at(self, image: Image, alpha: Alpha, pts_s: float) -> Image:
        """
        The background for *image*.

        Args:
            image: (H, W, 3) uint8 BGR; borrowed.
            alpha: (H, W) uint8 of that image; borrowed.
            pts_s: the frame's time in seconds.

        Returns:
            (H, W, 3) uint8 BGR, valid until the next call.
        """
        ...

    def close(self) -> None:
        """Release the file, if there is one. Never raises; safe to call twice."""
        ...


class PlainBackdrop:
    """One colour."""

    def __init__(self, colour: Colour) -> None:
        self._colour = colour
        self._plain = Plain()

    def at(self, image: Image, alpha: Alpha, pts_s: float) -> Image:
        """The colour in the size of *image*; see `Backdrop.at`."""
        return self._plain.of(image.shape, self._colour)

    def close(self) -> None:
        """Nothing to release."""


class PictureBackdrop:
    """
    A picture from a file, scaled once for each size of the frame.

    Raises:
        ConfigError: there is no such file, or it is no picture.
    """

    def __init__(self, path: str) -> None:
        self._picture = _read_picture(path)
        self._out: Image = np.empty((0, 0, 3), np.uint8)

    def at(self, image: Image, alpha: Alpha, pts_s: float) -> Image:
        """The picture in the size of *image*; see `Backdrop.at`."""
        if self._out.shape != image.shape:
            self._out = np.empty(image.shape, np.uint8)
            cover(self._picture, self._out)
        return self._out

    def close(self) -> None:
        """Nothing to release."""


class VideoBackdrop:
    """
    A video that repeats, on the stream's time.

    Raises:
        ConfigError: there is no such file, or it is no video.
    """

    def __init__(self, path: str, open_video: OpenVideo) -> None:
        try:
            self._video = open_video(path)
        except SourceError as error:
            raise ConfigError(f"compose.background.path: {error}") from error
        self._out: Image = np.empty((0, 0, 3), np.uint8)

    def at(self, image: Image, alpha: Alpha, pts_s: float) -> Image:
        """The video's picture of that time in the size of *image*; see `Backdrop.at`."""
        picture = self._video(pts_s)
        if picture.shape == image.shape:
            return picture
        if self._out.shape != image.shape:
            self._out = np.empty(image.shape, np.uint8)
        cover(picture, self._out, quickly=True)
        return self._out

    def close(self) -> None:
        """Release the file."""
        self._video.close()


def make_backdrop(config: BackgroundConfig, open_video: OpenVideo | None) -> Backdrop:
    """
    The background of *config*; `transparent` is black, for pictures without an alpha.

    Raises:
        ConfigError: a file cannot be read, or is not what it should be.
    """
    match config:
        case ColourBackgroundConfig():
            return PlainBackdrop(colour(config.colour))
        case TransparentBackgroundConfig():
            return PlainBackdrop(colour("black"))
        case ImageBackgroundConfig():
            return PictureBackdrop(config.path)
        case VideoBackgroundConfig():
            if open_video is None:
                raise ConfigError("compose.background.type: video: there is nothing to open it by")
            return VideoBackdrop(config.path, open_video)
        case BlurBackgroundConfig():
            return BlurredRoom(config.strength)
        case PixelateBackgroundConfig():
            return PixelatedRoom(config.block_px)
        case DimBackgroundConfig():
            return DimmedRoom(config.keep)


def cover(picture: Image, out: Image, *, quickly: bool = False) -> None:
    """
    Scale *picture* with its shape kept until it covers *out*, and cut it to that around its middle.

    Args:
        picture: (h, w, 3) uint8.
        out: (H, W, 3) uint8, overwritten.
        quickly: average pixels only when shrinking to less than half the size.
    """
    height, width = out.shape[:2]
    scale = max(width / picture.shape[1], height / picture.shape[0])
    rows = min(picture.shape[0], max(1, round(height / scale)))
    columns = min(picture.shape[1], max(1, round(width / scale)))
    top, left = (picture.shape[0] - rows) // 2, (picture.shape[1] - columns) // 2
    averages = scale < (0.5 if quickly else 1.0)
    cv2.resize(
        picture[top : top + rows, left : left + columns],
        (width, height),
        dst=out,
        interpolation=cv2.INTER_AREA if averages else cv2.INTER_LINEAR,
    )


def _read_picture(path: str) -> Image:
    """The picture of a file, on black where it is transparent. Raises ConfigError."""
    # Imported late: it brings Pillow, which other backgrounds need not wait for.
    from streamer.pictures import ANIMATION, open_picture, shown

    try:
        with open_picture(path) as picture:
            photo = picture.read()
    except SourceError as error:
        raise ConfigError(f"compose.background.path: {error}") from error
    if photo.more == ANIMATION:
        _log.warning(
            "compose.background.path: %s: an animation: its first picture stands: `type: video` "
            "plays it",
            shown(path),
        )
    return photo.seen()
