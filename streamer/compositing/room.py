"""
Backgrounds that are made of the room itself: blurred, in blocks, or dimmed.

Only the room is blurred. A pixel weighs less the more of the subject is in it, and the sums are
divided by the weights (normalised convolution: H. Knutsson, C.-F. Westin, "Normalized and
differential convolution", CVPR 1993), so that the subject has no halo of its own colours.
Where no background is near there is the room's mean colour.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Alpha, Image

_BLUR_SHARE = 0.08
"""The Gaussian's sigma at strength 1, as a share of the frame's height."""
_LEAST_SIGMA = 2.0
"""Pictures are shrunk while sigma is this much in their pixels: less would show the pixels."""
_LARGEST_SHRINK = 16
_LARGE_PX = 480
"""Pictures as high as this are shrunk by 4 at least, however faint the blur."""
_SAMPLE_PX = 4
"""In blocks as large as this only every fourth row and column, and its neighbour, is read."""
_BLUR_MEAN, _BLOCK_MEAN = 0.25, 2.0
"""Weight of the room's mean in every pixel, of 255. With less, a block that is nearly all the
subject's has its colour; with more, a faint blur has a line along the subject."""
_WEIGHTS = np.rint(np.linspace(1, 0, 256) ** 4 * 255).clip(1, 255).astype(np.uint8)
"""Weight of a pixel by its alpha; falls fast, as half-covered pixels would stain the room."""
_WEIGHTS[255] = 0
_TINY = 1e-3
_NEIGHBOURS = np.ones((3, 3), np.uint8)

_Sums = NDArray[np.float32]


class BlurredRoom:
    """
    The room, blurred by a Gaussian.

    Args:
        strength: 1 is a standard deviation of 8 % of the frame's height.

    The blur is made in a small picture, which is then enlarged. Not thread-safe.
    """

    def __init__(self, strength: float) -> None:
        self._share = strength * _BLUR_SHARE
        self._means = _RoomMeans(_BLUR_MEAN)
        self._out: Image = np.empty((0, 0, 3), np.uint8)

    def at(self, image: Image, alpha: Alpha, pts_s: float) -> Image:
        """The background for *image*; see `Backdrop.at`."""
        height, width = alpha.shape
        sigma = max(self._share * height, 0.5)
        shrink = 4 if height >= _LARGE_PX else 1
        while shrink < _LARGEST_SHRINK and sigma / (2 * shrink) >= _LEAST_SIGMA:
            shrink *= 2
        size = -(-width // shrink), -(-height // shrink)
        sums, weights = self._means.of(image, alpha, size)
        cv2.GaussianBlur(sums, (0, 0), sigma / shrink, dst=sums)
        cv2.GaussianBlur(weights, (0, 0), sigma / shrink, dst=weights)
        small = self._means.divided()
        if self._out.shape != image.shape:
            self._out = np.empty(image.shape, np.uint8)
        cv2.resize(small, (width, height), dst=self._out, interpolation=cv2.INTER_LINEAR)
        return self._out

    def close(self) -> None:
        """Nothing to release."""


class PixelatedRoom:
    """
    The room in blocks of its mean colours.

    Args:
        block_px: a block's side in pixels; a little less where the frame is no multiple of it.

    Not thread-safe.
    """

    def __init__(self, block_px: int) -> None:
        self._block_px = block_px
        self._means = _RoomMeans(_BLOCK_MEAN)
        self._out: Image = np.empty((0, 0, 3), np.uint8)

    def at(self, image: Image, alpha: Alpha, pts_s: float) -> Image:
        """The background for *image*; see `Backdrop.at`."""
        height, width = alpha.shape
        self._means.of(image, alpha, (-(-width // self._block_px), -(-height // self._block_px)))
        blocks = self._means.divided()
        if self._out.shape != image.shape:
            self._out = np.empty(image.shape, np.uint8)
        cv2.resize(blocks, (width, height), dst=self._out, interpolation=cv2.INTER_NEAREST)
        return self._out

    def close(self) -> None:
        """Nothing to release."""


class DimmedRoom:
    """
    The room, darker.

    Args:
        keep: the share of its light that is left.

    Not thread-safe.
    """

    def __init__(self, keep: float) -> None:
        self._keep = keep
        self._out: Image = np.empty((0, 0, 3), np.uint8)

    def at(self, image: Image, alpha: Alpha, pts_s: float) -> Image:
        """The background for *image*; see `Backdrop.at`."""
        if self._out.shape != image.shape:
            self._out = np.empty(image.shape, np.uint8)
        cv2.convertScaleAbs(image, dst=self._out, alpha=self._keep)
        return self._out

    def close(self) -> None:
        """Nothing to release."""


class _RoomMeans:
    """
    The room in a small picture, as sums of colours and of their weights.

    Args:
        mean_weight: the weight of the whole room's mean in each pixel.
    """

    def __init__(self, mean_weight: float) -> None:
        self._mean_weight = mean_weight
        self._shapes: tuple[tuple[int, ...], tuple[int, int]] | None = None

    def of(self, image: Image, alpha: Alpha, size: tuple[int, int]) -> tuple[_Sums, _Sums]:
        """
        Sums (h, w, 3) and weights (h, w) for a *size* (w, h); own arrays, which may be changed.

        In large blocks not every pixel is read.
        """
        if self._shapes != (image.shape, size):
            self._allocate(image.shape, size)
            self._shapes = (image.shape, size)
        height, width = self._outside.shape
        cv2.resize(image, (width, height), dst=self._image, interpolation=cv2.INTER_LINEAR)
        cv2.resize(alpha, (width, height), dst=self._outside, interpolation=cv2.INTER_LINEAR)
        # A pixel beside the subject may hold some of it.
        cv2.dilate(self._outside, _NEIGHBOURS, dst=self._grown)
        cv2.LUT(self._grown, _WEIGHTS, dst=self._outside)
        cv2.cvtColor(self._outside, cv2.COLOR_GRAY2BGR, dst=self._weighted)
        cv2.multiply(self._image, self._weighted, dst=self._products, dtype=cv2.CV_16U)
        cv2.resize(self._products, size, dst=self._shrunk, interpolation=cv2.INTER_AREA)
        np.copyto(self._sums, self._shrunk)
        np.multiply(self._outside, np.uint16(255), out=self._weights_wide)
        cv2.resize(self._weights_wide, size, dst=self._shrunk_weights, interpolation=cv2.INTER_AREA)
        np.multiply(self._shrunk_weights, np.float32(1 / 255), out=self._weights)
        total = max(float(self._weights.mean()), _TINY)
        mean = np.asarray(cv2.mean(self._sums)[:3], np.float32) / total
        self._sums += mean * self._mean_weight
        self._weights += self._mean_weight
        return self._sums, self._weights

    def divided(self) -> Image:
        """The colours (h, w, 3): the sums divided by the weights, as both are now."""
        np.divide(self._sums, self._weights[:, :, None], out=self._sums)
        cv2.convertScaleAbs(self._sums, dst=self._colours)
        return self._colours

    def _allocate(self, shape: tuple[int, ...], size: tuple[int, int]) -> None:
        width, height = size
        shrink = min(_SAMPLE_PX, max(1, min(shape[1] // width, shape[0] // height)))
        sampled = -(-shape[0] // shrink), -(-shape[1] // shrink)
        self._image: Image = np.empty((*sampled, 3), np.uint8)
        self._weighted: Image = np.empty((*sampled, 3), np.uint8)
        self._outside: Alpha = np.empty(sampled, np.uint8)
        self._grown: Alpha = np.empty(sampled, np.uint8)
        self._products: NDArray[np.uint16] = np.empty((*sampled, 3), np.uint16)
        self._weights_wide: NDArray[np.uint16] = np.empty(sampled, np.uint16)
        self._shrunk: NDArray[np.uint16] = np.empty((height, width, 3), np.uint16)
        self._shrunk_weights: NDArray[np.uint16] = np.empty((height, width), np.uint16)
        self._sums: _Sums = np.empty((height, width, 3), np.float32)
        self._weights: _Sums = np.empty((height, width), np.float32)
        self._colours: Image = np.empty((height, width, 3), np.uint8)
