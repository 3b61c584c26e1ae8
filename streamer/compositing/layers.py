"""
Mask, cutout and composite: functions on arrays, for callers that combine pictures themselves.

The mask is 255 where alpha is at least the threshold, else 0. The cutout on black is
`image * alpha / 255` inside the mask and exactly black outside it. The composite is
`(image * alpha + background * (255 - alpha)) / 255` everywhere. The cutout with alpha is
straight (not premultiplied); where alpha is 0 its colours are black too, so that a transparent
picture does not carry the room. A stand-by card is shown whole, and opaque.

All work on numpy arrays of uint8, raise ValueError where sizes or types do not match, and may be
called by any thread.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.compositing.blending import Blend
from streamer.compositing.colours import Colour, Plain
from streamer.frame import Alpha, Image

Picture = NDArray[np.uint8]
"""(H, W, 3) BGR, (H, W, 4) BGRA with straight alpha, or (H, W) grey; uint8."""

_STRIP_ROWS = 16
"""Rows that are worked on at a time where working memory is needed, to keep that small."""


def alpha_level(threshold: float) -> int:
    """The smallest 8-bit alpha with `alpha / 255 >= threshold`, for a *threshold* in (0, 1]."""
    return max(1, math.ceil(threshold * 255 - 1e-9))


def mask(alpha: Alpha, level: int, out: Alpha) -> None:
    """
    Write 255 into *out* where *alpha* >= *level*, else 0.

    Args:
        alpha: (H, W) uint8.
        level: 1..255, see `alpha_level`.
        out: (H, W) uint8, overwritten.

    Raises:
        ValueError: sizes or types of the arrays do not match.
    """
    _check_alpha(alpha)
    _check("out", out, (), alpha)
    cv2.threshold(alpha, level - 1, 255, cv2.THRESH_BINARY, dst=out)


def cutout_rgba(image: Image, alpha: Alpha, out: Picture) -> None:
    """
    Write the colours of *image* with straight *alpha* into *out*, black where alpha is 0.

    Args:
        image: (H, W, 3) uint8, any channel order; the order is kept.
        alpha: (H, W) uint8.
        out: (H, W, 4) uint8, overwritten.

    Raises:
        ValueError: sizes or types of the arrays do not match.
    """
    _check_alpha(alpha)
    _check("image", image, (3,), alpha)
    _check("out", out, (4,), alpha)
    strip = np.empty((_STRIP_ROWS, alpha.shape[1], 4), np.uint8)
    for top in range(0, alpha.shape[0], _STRIP_ROWS):
        rows = np.s_[top : top + _STRIP_ROWS]
        whole = strip[: len(alpha[rows])]
        cv2.cvtColor(image[rows], cv2.COLOR_BGR2BGRA, dst=whole)
        cv2.insertChannel(alpha[rows], whole, 3)
        out[rows] = 0
        cv2.copyTo(whole, alpha[rows], out[rows])


def composite(image: Image, alpha: Alpha, background: Image | Colour, out: Image) -> None:
    """
    Write `(image * alpha + background * (255 - alpha)) / 255` into *out*, within 1 of it.

    Args:
        image: (H, W, 3) uint8, any channel order.
        alpha: (H, W) uint8.
        background: (H, W, 3) uint8, or one colour of the image's channel order.
        out: (H, W, 3) uint8, overwritten; not one of the other arrays.

    Raises:
        ValueError: sizes or types of the arrays do not match.
    """
    _check_alpha(alpha)
    _check("image", image, (3,), alpha)
    if isinstance(background, tuple):
        background = Plain().of(image.shape, background)
    _check("background", background, (3,), alpha)
    _check("out", out, (3,), alpha)
    Blend().over(image, alpha, background, out)


def _check_alpha(alpha: NDArray[Any]) -> None:
    if alpha.ndim != 2 or alpha.dtype != np.uint8:
        raise ValueError(f"alpha is (H, W) uint8, not {alpha.shape} {alpha.dtype}")


def _check(name: str, array: NDArray[Any], channels: tuple[int, ...], alpha: Alpha) -> None:
    expected = (*alpha.shape, *channels)
    if array.shape != expected or array.dtype != np.uint8:
        raise ValueError(
            f"{name} is {array.shape} {array.dtype}; with an alpha of {alpha.shape} uint8 it is "
            f"{expected} uint8"
        )
