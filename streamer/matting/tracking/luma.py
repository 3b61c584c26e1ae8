"""Small luma pictures, in which frames are compared and tracked."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Image

Luma = NDArray[np.uint8]
"""(h, w) uint8, a whole frame at the size that `luma_size` gives."""

Colours = NDArray[np.uint8]
"""(h, w, 3) uint8 BGR, a whole frame at the same size."""

_LONG_PX = 320
_SHORT_PX = 16
"""Dense inverse search needs at least this."""


def luma_size(height: int, width: int) -> tuple[int, int]:
    """(h, w) of the luma picture of a frame: 320 pixels along its longer side."""
    scale = min(1.0, _LONG_PX / max(height, width))
    return max(_SHORT_PX, round(height * scale)), max(_SHORT_PX, round(width * scale))


class Shrinker:
    """
    Makes the luma pictures of frames of one size.

    Args:
        height, width: of the frames.
    """

    def __init__(self, height: int, width: int) -> None:
        self.size = luma_size(height, width)
        self._halves: list[Colours] = []
        # Halving is far quicker than any other way of making a picture smaller.
        while height >= 2 * self.size[0] and width >= 2 * self.size[1]:
            height, width = height // 2, width // 2
            self._halves.append(np.empty((height, width, 3), np.uint8))
        self._colours: Colours = np.empty((*self.size, 3), np.uint8)

    def shrink(self, image: Image, out: Luma, colours: Colours | None = None) -> None:
        """
        Write the luma of *image*, (H, W, 3) BGR, averaged over areas, into *out*.

        If *colours*, (h, w, 3), is given, the small picture itself is written there.
        """
        for half in self._halves:
            tall, wide = 2 * half.shape[0], 2 * half.shape[1]
            cv2.resize(
                image[:tall, :wide], half.shape[1::-1], dst=half, interpolation=cv2.INTER_AREA
            )
            image = half
        small = self._colours if colours is None else colours
        cv2.resize(image, self.size[::-1], dst=small, interpolation=cv2.INTER_AREA)
        cv2.cvtColor(small, cv2.COLOR_BGR2GRAY, dst=out)


def mean_difference(a: Luma, b: Luma) -> float:
    """The mean of |a - b| in grey levels."""
    return cv2.norm(a, b, cv2.NORM_L1) / a.size
