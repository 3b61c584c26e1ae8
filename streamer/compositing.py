"""
Cutout, mask and layouts: pure functions on arrays, and the `Composer` that owns their buffers.

The mask is 255 where alpha is at least the threshold, else 0. The cutout on black is
`image * alpha / 255` inside the mask and exactly black outside it. The composite is
`(image * alpha + background * (255 - alpha)) / 255` everywhere. The cutout with alpha is
straight (not premultiplied); where alpha is 0 its colours are black too, so that a transparent
picture does not carry the room. A stand-by card is shown whole, and has no alpha.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.config import Layout, Panel
from streamer.frame import Alpha, Image
from streamer.metrics import LatencyHistogram

Picture = NDArray[np.uint8]
"""(H, W, 3) uint8 BGR, or (H, W, 4) uint8 BGRA with straight alpha."""

Colour = tuple[int, int, int]
"""Blue, green, red, each 0..255."""

_NAMED: dict[str, Colour] = {"black": (0, 0, 0), "white": (255, 255, 255), "green": (64, 177, 0)}
"""Green is that of a chroma key, #00b140."""

_CARD = 40
_CARD_TEXT = 190
"""Greys of a card and of what is written on it."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX

_STRIP_ROWS = 16
"""Rows that are worked on at a time where working memory is needed, to keep that small."""


def alpha_level(threshold: float) -> int:
    """The smallest 8-bit alpha with `alpha / 255 >= threshold`, for a *threshold* in (0, 1]."""
    return max(1, math.ceil(threshold * 255 - 1e-9))


def mask(alpha: Alpha, level: int, out: Alpha) -> None:
    """Write 255 into *out* where *alpha* >= *level* (1..255), else 0. All (H, W) uint8."""
    cv2.threshold(alpha, level - 1, 255, cv2.THRESH_BINARY, dst=out)


def colour(text: str) -> Colour:
    """The colour of a `compose.background`: a name, or `#rrggbb`. Raises ValueError for another."""
    if text in _NAMED:
        return _NAMED[text]
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return blue, green, red


def cutout_rgba(image: Image, alpha: Alpha, out: Picture) -> None:
    """
    Write the colours of *image* with straight *alpha* into *out*, black where alpha is 0.

    Args:
        image: (H, W, 3) uint8, any channel order; the order is kept.
        alpha: (H, W) uint8.
        out: (H, W, 4) uint8, overwritten.
    """
    cv2.cvtColor(image, cv2.COLOR_BGR2BGRA, dst=out)
    cv2.insertChannel(alpha, out, 3)
    for top in range(0, alpha.shape[0], _STRIP_ROWS):
        strip = np.s_[top : top + _STRIP_ROWS]
        out[strip][alpha[strip] == 0] = 0


def draw_card(out: Image, text: str) -> None:
    """
    Write *text*, light in the middle of dark grey, over the whole of *out*.

    Args:
        out: (H, W, 3) uint8, overwritten.
        text: one line of printable ASCII; drawn smaller where it is too long.
    """
    out.fill(_CARD)
    height, width = out.shape[:2]
    (wide, tall), _ = cv2.getTextSize(text, _FONT, 1.0, 1)
    if not wide:
        return
    scale = min(height / 12 / tall, width * 0.8 / wide)
    thickness = max(1, round(scale * 1.5))
    left, bottom = round((width - wide * scale) / 2), round((height + tall * scale) / 2)
    grey = (_CARD_TEXT, _CARD_TEXT, _CARD_TEXT)
    cv2.putText(out, text, (left, bottom), _FONT, scale, grey, thickness, cv2.LINE_AA)


class Composer:
    """
    Turns frames and their alphas into pictures of one layout.

    Args:
        layout: `side_by_side`, or one panel's name.
        panels: what stands side by side, from the left.
        level: the mask's smallest alpha, 1..255; see `alpha_level`.
        background: blue, green and red of what composites stand on.
        latency: where each composition's duration is recorded.

    Not thread-safe. Allocates when a frame's size is new, and never after.
    """

    def __init__(
        self,
        layout: Layout = "side_by_side",
        panels: Sequence[Panel] = ("cutout", "mask"),
        *,
        level: int = 128,
        background: Colour = (0, 0, 0),
        latency: LatencyHistogram | None = None,
    ) -> None:
        self.panels: tuple[Panel, ...] = tuple(panels) if layout == "side_by_side" else (layout,)
        self._level = level
        self._background = background
        self._latency = latency
        self._picture: Image = np.empty((0, 0, 3), np.uint8)
        self._colours: Image = np.empty((0, 0, 3), np.uint8)
        self._grey: Alpha = np.empty((0, 0), np.uint8)
        self._backdrop: Image = np.empty((0, 0, 3), np.uint8)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) in pixels of the picture for a frame of that size."""
        return width * len(self.panels), height

    def compose(self, image: Image, alpha: Alpha, *, card: bool = False) -> Image:
        """
        The picture of one frame.

        Args:
            image: (H, W, 3) uint8 BGR; borrowed.
            alpha: (H, W) uint8 of that image; borrowed.
            card: the image is a stand-by card (`Matte.is_card`): colours show it as it is.

        Returns:
            (H, W * panels, 3) uint8 BGR, valid until the next call.
        """
        started_ns = time.monotonic_ns()
        height, width = alpha.shape
        self._fit(height, width)
        for number, panel in enumerate(self.panels):
            out = self._picture[:, number * width : (number + 1) * width]
            is_shown_whole = card and panel in ("cutout", "composite")
            self._draw("source" if is_shown_whole else panel, image, alpha, out)
        if self._latency is not None:
            self._latency.record(time.monotonic_ns() - started_ns)
        return self._picture

    def _fit(self, height: int, width: int) -> None:
        if self._grey.shape != (height, width):
            self._picture = np.empty((height, width * len(self.panels), 3), np.uint8)
            self._colours = np.empty((height, width, 3), np.uint8)
            self._grey = np.empty((height, width), np.uint8)
            if "composite" in self.panels:
                self._backdrop = np.full((height, width, 3), self._background, np.uint8)

    def _draw(self, panel: Panel, image: Image, alpha: Alpha, out: Image) -> None:
        match panel:
            case "source":
                np.copyto(out, image)
            case "alpha":
                cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR, dst=out)
            case "mask":
                mask(alpha, self._level, self._grey)
                cv2.cvtColor(self._grey, cv2.COLOR_GRAY2BGR, dst=out)
            case "cutout":
                cv2.threshold(alpha, self._level - 1, 0, cv2.THRESH_TOZERO, dst=self._grey)
                cv2.cvtColor(self._grey, cv2.COLOR_GRAY2BGR, dst=self._colours)
                cv2.multiply(image, self._colours, dst=out, scale=1 / 255)
            case "composite":
                cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR, dst=self._colours)
                cv2.multiply(image, self._colours, dst=out, scale=1 / 255)
                if any(self._background):
                    cv2.bitwise_not(self._colours, dst=self._colours)
                    cv2.multiply(self._colours, self._backdrop, dst=self._colours, scale=1 / 255)
                    cv2.add(out, self._colours, dst=out)
