"""
One picture over another by an alpha, at the least cost.

In most alphas nearly every pixel is 0 or 255, where a copy will do. So the alpha is examined in
blocks, a strip of rows at a time, and only blocks with values in between are computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import cv2
import numpy as np

from streamer.frame import Alpha, Image

_STRIP_ROWS = 24
"""Rows worked on at a time: their pictures stay in a core's cache."""
_BLOCK_COLUMNS = 64
_CLEAR, _SOLID, _SOFT = 0, 1, 2
"""What a block's alpha is: 0 everywhere, 255 everywhere, or anything else."""

_Part = tuple[slice, slice]
"""Rows and columns."""


class Blend:
    """Blends pictures. Not thread-safe. Allocates strips when a picture's size is new."""

    def __init__(self) -> None:
        self._least: Alpha = np.empty((0, 0), np.uint8)
        self._most: Alpha = np.empty((0, 0), np.uint8)
        self._weights: Image = np.empty((_STRIP_ROWS, 0, 3), np.uint8)

    def over(self, image: Image, alpha: Alpha, background: Image | None, out: Image) -> None:
        """
        Write `(image * alpha + background * (255 - alpha)) / 255` into *out*, within 1.

        Args:
            image: (H, W, 3) uint8; borrowed, like all arrays here.
            alpha: (H, W) uint8. Where it is 0 *out* is exactly the background, where it is 255
                exactly the image.
            background: (H, W, 3) uint8; black when None.
            out: (H, W, 3) uint8, overwritten; not one of the other arrays.
        """
        for part, kind in self._parts(alpha):
            if kind == _SOLID:
                np.copyto(out[part], image[part])
            elif kind == _CLEAR:
                np.copyto(out[part], 0 if background is None else background[part])
            else:
                behind = None if background is None else background[part]
                self._mix(image[part], alpha[part], behind, out[part])

    def _mix(self, image: Image, alpha: Alpha, behind: Image | None, out: Image) -> None:
        weights = self._weights[: alpha.shape[0], : alpha.shape[1]]
        cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR, dst=weights)
        cv2.multiply(image, weights, dst=out, scale=1 / 255)
        if behind is not None:
            cv2.bitwise_not(weights, dst=weights)
            cv2.multiply(behind, weights, dst=weights, scale=1 / 255)
            cv2.add(out, weights, dst=out)

    def _parts(self, alpha: Alpha) -> Iterator[tuple[_Part, int]]:
        """The blocks of *alpha* strip by strip from the left; neighbours of one kind are joined."""
        height, width = alpha.shape
        for number, kinds in enumerate(self._kinds(alpha)):
            top, left = number * _STRIP_ROWS, 0
            rows = slice(top, min(top + _STRIP_ROWS, height))
            for kind, blocks in groupby(kinds):
                right = min(left + len(list(blocks)) * _BLOCK_COLUMNS, width)
                yield (rows, slice(left, right)), kind
                left = right

    def _kinds(self, alpha: Alpha) -> list[list[int]]:
        """The kind of each block, strip by strip."""
        height, width = alpha.shape
        strips, blocks = -(-height // _STRIP_ROWS), -(-width // _BLOCK_COLUMNS)
        if self._least.shape != (strips, blocks * _BLOCK_COLUMNS) or (
            self._weights.shape[1] != width
        ):
            # Columns of the last block that lie beyond the picture must not count.
            self._least = np.full((strips, blocks * _BLOCK_COLUMNS), 255, np.uint8)
            self._most = np.zeros_like(self._least)
            self._weights = np.empty((_STRIP_ROWS, width, 3), np.uint8)
        for number in range(strips):
            strip = alpha[number * _STRIP_ROWS : (number + 1) * _STRIP_ROWS]
            np.minimum.reduce(strip, axis=0, out=self._least[number, :width])
            np.maximum.reduce(strip, axis=0, out=self._most[number, :width])
        shape = (strips, blocks, _BLOCK_COLUMNS)
        solid = np.minimum.reduce(self._least.reshape(shape), axis=2) == 255
        clear = np.maximum.reduce(self._most.reshape(shape), axis=2) == 0
        kinds: list[list[int]] = np.where(clear, _CLEAR, np.where(solid, _SOLID, _SOFT)).tolist()
        return kinds
