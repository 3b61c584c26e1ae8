"""
Finds, measures and removes the connected parts of an alpha, or of its background.

The search is in a shrunken picture, where a pixel counts if it has anything in it (of pictures over
120 megapixels: a 500th). So things less than two such pixels apart are one part, and sizes are
counted in such pixels, those at the rim included.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Alpha

THERE = 26
"""The alpha, a tenth, from which on a pixel belongs to a part."""
_MOST_PIXELS, _LONGEST = 640 * 360, 8192
"""Of the shrunken picture."""
_HALO = 8
"""Width in shrunken pixels of a part's rim: what is fainter than `THERE` there belongs to it."""
_STEP = 4
"""Shrunken pixels that a fragment may move between frames and still count as the same."""
_STRIP_ROWS = 16
"""Rows at a time, where working memory is needed, to keep that small."""


class Parts:
    """
    The connected parts of alphas of one size, of one layer, and the memory for the search.

    Args:
        height, width: of the alphas in pixels.
        holes: look for parts of the background, not of the foreground. Foreground is connected
            across corners, so background is not.

    Parts have numbers from 1 to `count` - 1; 0 stands for pixels in none.
    """

    def __init__(self, height: int, width: int, *, holes: bool = False) -> None:
        self.shrink = max(
            1,
            math.ceil(math.sqrt(height * width / _MOST_PIXELS)),
            math.ceil(max(height, width) / _LONGEST),
        )
        """Pixels of the alpha along a side of a shrunken one: 2 of 1280x720, 3 of 1920x1080."""
        shape = (math.ceil(height / self.shrink), math.ceil(width / self.shrink))
        self._holes = holes
        self._large: Alpha = np.empty((height, width), np.uint8)
        self._small, self._kept, self._out = (np.empty(shape, np.uint8) for _ in range(3))
        # There may be as many holes as half the pixels, too many for 16 bits; parts, a quarter.
        self.labels: NDArray[np.uint16 | np.int32] = np.empty(
            shape, np.int32 if holes else np.uint16
        )
        """The part of each shrunken pixel."""
        self.count = 1
        self.shares: NDArray[np.float64] = np.zeros(1)
        """Each part's share of the frame; ignore the first, which is no part."""
        self.at_border: NDArray[np.bool_] = np.zeros(1, bool)
        """Whether a part touches the frame's border."""

    def find(self, alpha: Alpha) -> None:
        """Look for the parts of *alpha*, (H, W) uint8."""
        if self._holes:
            level, kind = 255 - THERE, cv2.THRESH_BINARY_INV
        else:
            level, kind = THERE - 1, cv2.THRESH_BINARY
        cv2.threshold(alpha, level, 255, kind, dst=self._large)
        height, width = self._small.shape
        cv2.resize(self._large, (width, height), dst=self._small, interpolation=cv2.INTER_AREA)
        cv2.threshold(self._small, 0, 255, cv2.THRESH_BINARY, dst=self._small)
        self.count, _, found, _ = cv2.connectedComponentsWithStats(
            self._small,
            labels=self.labels,
            connectivity=4 if self._holes else 8,
            ltype=cv2.CV_32S if self._holes else cv2.CV_16U,
        )
        left, top, wide, tall, area = found.T
        self.shares = area / self._small.size
        self.at_border = (left == 0) | (top == 0) | (left + wide == width) | (top + tall == height)

    def take_out(self, alpha: Alpha, gone: NDArray[np.bool_]) -> None:
        """
        Remove the parts that are *gone* from *alpha*, with their soft rim.

        Args:
            alpha: the one that they were found in; parts of the foreground become 0, holes 255.
            gone: one flag for each part; the first is False.
        """
        self.paint(np.where(gone, np.uint8(255), np.uint8(0)), self._out)
        cv2.subtract(self._small, self._out, dst=self._kept)
        # Pixels next to a part that stays belong to it.
        cv2.dilate(self._kept, _square(1), dst=self._kept)
        cv2.dilate(self._out, _square(_HALO), dst=self._out)
        cv2.subtract(self._out, self._kept, dst=self._out)
        height, width = alpha.shape
        cv2.resize(self._out, (width, height), dst=self._large, interpolation=cv2.INTER_NEAREST)
        change = cv2.add if self._holes else cv2.subtract
        change(alpha, self._large, dst=alpha)

    def paint(self, values: NDArray[np.uint8], out: Alpha) -> None:
        """Write into each shrunken pixel of *out* the value of its part in *values*."""
        for strip in _strips(out.shape[0]):
            np.take(values, self.labels[strip], out=out[strip], mode="clip")


class Fragments:
    """
    Counts for how many frames in a row parts have been too small.

    Args:
        shape: of the shrunken picture.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._ages: Alpha = np.zeros(shape, np.uint8)
        self._near: Alpha = np.empty(shape, np.uint8)
        self._any = False

    def forget(self) -> None:
        """Start over: the next frame has nothing to do with those before."""
        self._any = False

    def ages(self, parts: Parts, small: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """
        The number of frames in a row before this one in which each part was too small.

        A part is the same as one of the frame before if both overlap, give or take `_STEP`. To be
        called once a frame.

        Args:
            parts: as they were found in this frame.
            small: which of them are too small.
        """
        before = np.zeros(parts.count, np.uint8)
        if self._any:
            cv2.dilate(self._ages, _square(_STEP), dst=self._near)
            for strip in _strips(self._near.shape[0]):
                here = self._near[strip] > 0
                np.maximum.at(before, parts.labels[strip][here], self._near[strip][here])
        before[~small] = 0
        self._any = bool(small.any())
        if self._any:
            now = np.where(small, np.minimum(before, 254) + 1, 0).astype(np.uint8)
            parts.paint(now, self._ages)
        return before


def _square(reach: int) -> NDArray[np.uint8]:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)


def _strips(rows: int) -> Iterator[slice]:
    return (slice(top, top + _STRIP_ROWS) for top in range(0, rows, _STRIP_ROWS))
