"""Turn a picture and its matte into the content of result files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from streamer.frame import Alpha, Image
from streamer.pictures.colour import Deep, out_of_srgb
from streamer.pictures.cutting import combined, on_black, over, rgba, two_valued
from streamer.pictures.photo import Photo
from streamer.pictures.writing import Format, encode

Estimate = Callable[[Image, Alpha], Image]
"""Foreground colours, (H, W, 3) uint8, of an image and its alpha, both borrowed."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """
    How pictures are cut out and written.

    Attributes:
        alpha: cutouts have alpha instead of lying on black; ignored if there is a backdrop.
        backdrop: put behind cutouts instead, (h, w, 3) uint8 BGR in sRGB: a picture, scaled to
            cover each with its aspect ratio kept, then cropped; or of 1x1, a colour.
        form: the format of cutouts; masks are PNG.
        quality: 1..100, of JPEG and WebP.
        threshold: the mask is where alpha is at least this.
        foreground: estimates the colours of soft edges; None takes the picture's own.
    """

    alpha: bool = True
    backdrop: Image | None = None
    form: Format = "png"
    quality: int = 95
    threshold: float = 0.5
    foreground: Estimate | None = None

    def cutout(self, photo: Photo, matte: Alpha) -> bytes:
        """
        The cutout of *photo*, as deep as it, with its profile and EXIF: a file's content.

        Args:
            photo: borrowed.
            matte: (H, W) uint8 of it; borrowed.

        Raises:
            SourceUnsupported: the format holds no picture so large.
        """
        alpha = combined(matte, photo.alpha, photo.colours)
        colours = self._colours(photo, matte)
        if self.backdrop is not None:
            picture = over(colours, alpha, _behind(photo, self.backdrop))
        elif self.alpha:
            picture = rgba(colours, alpha)
        else:
            picture = on_black(colours, alpha, self.threshold)
        return encode(
            picture, self.form, quality=self.quality, profile=photo.profile, exif=photo.exif
        )

    def mask(self, photo: Photo, matte: Alpha) -> bytes:
        """The mask of *photo*, 0 or 255: the content of a PNG of 8 bits."""
        alpha = combined(matte, photo.alpha, photo.colours)
        return encode(two_valued(alpha, self.threshold), "png")

    def _colours(self, photo: Photo, matte: Alpha) -> Deep:
        if self.foreground is None:
            return photo.colours
        estimated = self.foreground(photo.plain(), matte)
        if photo.colours.dtype == np.uint8:
            return estimated
        # The estimate has 8 bits: use it only where alpha is soft, and the picture's 16 elsewhere.
        soft = ((matte > 0) & (matte < 255))[..., None]
        return np.where(soft, estimated * np.uint16(257), photo.colours)


def _behind(photo: Photo, backdrop: Image) -> Deep:
    """Convert *backdrop* to the size, depth and colour space of *photo*."""
    height, width = photo.colours.shape[:2]
    behind = _covering(backdrop, width, height)
    if photo.profile:
        behind = out_of_srgb(behind, photo.profile)
    return behind if photo.colours.dtype == np.uint8 else behind * np.uint16(257)


def _covering(picture: Image, width: int, height: int) -> Image:
    """The middle of *picture*, cropped to the shape of *width* x *height* and scaled to it."""
    scale = max(height / picture.shape[0], width / picture.shape[1])
    rows = min(picture.shape[0], max(1, round(height / scale)))
    columns = min(picture.shape[1], max(1, round(width / scale)))
    top, left = (picture.shape[0] - rows) // 2, (picture.shape[1] - columns) // 2
    part = picture[top : top + rows, left : left + columns]
    by = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled: Image = np.empty((height, width, 3), np.uint8)
    cv2.resize(part, (width, height), dst=scaled, interpolation=by)
    return scaled
