"""Find cuts between one frame and the next, without optical flow."""

from __future__ import annotations

import cv2
import numpy as np

from streamer.frame import Image
from streamer.matting.tracking.flow import Residual
from streamer.matting.tracking.luma import Luma, Shrinker
from streamer.matting.tracking.scene import is_cut


class CutFinder:
    """
    Compares each frame with the one before, pixel by pixel.

    A sudden wide pan counts as a cut too: whatever is remembered of earlier frames would be in the
    wrong place.

    Args:
        height, width: of the frames.

    Not thread-safe. Allocates nothing of a frame's size after it is made.
    """

    def __init__(self, height: int, width: int) -> None:
        self.size = height, width
        self._shrinker = Shrinker(height, width)
        self._before: Luma = np.empty(self._shrinker.size, np.uint8)
        self._now = self._before.copy()
        self._gap = self._before.copy()
        self._residual: Residual = np.empty(self._shrinker.size, np.float32)
        self._has_seen = False

    def is_cut(self, image: Image) -> bool:
        """Whether *image*, (H, W, 3), begins another scene; False for the first image."""
        self._before, self._now = self._now, self._before
        self._shrinker.shrink(image, self._now)
        first, self._has_seen = not self._has_seen, True
        if first:
            return False
        cv2.absdiff(self._before, self._now, dst=self._gap)
        np.copyto(self._residual, self._gap)
        return is_cut(self._before, self._now, self._residual)
