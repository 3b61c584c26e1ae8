"""Fill and key in one opaque picture, for viewers that lay it over what they like."""

from __future__ import annotations

import cv2
import numpy as np

from streamer.compositing.blending import Blend
from streamer.compositing.shared import SinkComposer
from streamer.frame import Alpha, Frame, Image, Matte


class FillAndKey:
    """
    Draws the fill, which is colour times alpha on black, and the key, the alpha in grey, below it.

    `fill + background * (1 - key)` is the composite over any background. The fill goes by the
    alpha alone; the panel `cutout` is black outside the mask too, where the key is not. Both
    halves are black while a stand-by card is shown.

    Args:
        cutout: composes cutouts as BGRA; closed with this.

    Not thread-safe. Allocates only when a frame's size is new.
    """

    def __init__(self, cutout: SinkComposer) -> None:
        self._cutout = cutout
        self._blend = Blend()
        self._picture: Image = np.empty((0, 0, 3), np.uint8)
        self._colours: Image = np.empty((0, 0, 3), np.uint8)
        self._alpha: Alpha = np.empty((0, 0), np.uint8)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """See `SinkComposer`."""
        width, height = self._cutout.size(width, height)
        return width, 2 * _even(height)

    def picture_of(self, frame: Frame, matte: Matte) -> Image:
        """
        The picture of *frame*, whose matte is *matte*; both are borrowed.

        Returns:
            (2 H, W, 3) uint8 BGR, valid until the next call. An odd H has a black row added to
            each half, so that encoders mix no colours of the two.
        """
        cutout = self._cutout.picture_of(frame, matte)
        height, width = cutout.shape[:2]
        if self._alpha.shape != (height, width):
            self._picture = np.zeros((2 * _even(height), width, 3), np.uint8)
            self._colours = np.empty((height, width, 3), np.uint8)
            self._alpha = np.empty((height, width), np.uint8)
        if matte.is_card:
            self._picture.fill(0)
            return self._picture
        fill, key = self._picture[:height], self._picture[_even(height) :][:height]
        cv2.cvtColor(cutout, cv2.COLOR_BGRA2BGR, dst=self._colours)
        cv2.extractChannel(cutout, 3, dst=self._alpha)
        self._blend.over(self._colours, self._alpha, None, fill)
        cv2.cvtColor(self._alpha, cv2.COLOR_GRAY2BGR, dst=key)
        return self._picture

    def close(self) -> None:
        """See `SinkComposer`."""
        self._cutout.close()


def _even(height: int) -> int:
    return height + (height & 1)
