"""Small luma pictures: what frames are compared and tracked by."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Image

Luma = NDArray[np.uint8]
"""(h, w) uint8, a whole frame at the size that `luma_size` gives."""

_LONG_PX = 320
_SHORT_PX = 16
"""Dense inverse search needs as much."""


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
        self._grey = np.empty((height, width), np.uint8)
        self.size = luma_size(height, width)

    def shrink(self, image: Image, out: Luma) -> None:
        """Write the luma of *image*, (H, W, 3) BGR, averaged over areas, into *out*."""
        cv2.cvtColor(image, cv2.COLOR_BGR2GRAY, dst=self._grey)
        height, width = self.size
        cv2.resize(self._grey, (width, height), dst=out, interpolation=cv2.INTER_AREA)


def mean_difference(a: Luma, b: Luma) -> float:
    """The mean of |a - b| in grey levels."""
    return cv2.norm(a, b, cv2.NORM_L1) / a.size
