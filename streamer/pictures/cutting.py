"""
Cutouts of pictures, of 8 or 16 bits a channel: pure functions on arrays.

They match what `streamer.compositing` draws of frames, at both depths. A cutout with alpha is
straight, and black where alpha is 0. A cutout on black is weighted by alpha inside the mask and
exactly black outside it.
"""

from __future__ import annotations

import cv2
import numpy as np

from streamer.frame import Alpha
from streamer.pictures.colour import Deep


def combined(matte: Alpha, own: Deep | None, like: Deep) -> Deep:
    """
    The alpha of a picture's cutout.

    Args:
        matte: (H, W) uint8, the subject's.
        own: (H, W) of the type of *like*, the picture's own alpha; None if it has none.
        like: an array of the wanted type, uint8 or uint16.

    Returns:
        (H, W) of that type: `matte * own`, so that transparent pixels stay so. New, unless it is
        *matte* itself.
    """
    alpha: Deep = matte if like.dtype == np.uint8 else matte.astype(np.uint16) * np.uint16(257)
    if own is None:
        return alpha
    return cv2.multiply(alpha, own, scale=1 / _full(own))


def two_valued(alpha: Deep, threshold: float) -> Alpha:
    """The mask, (H, W) uint8: 255 where *alpha* is at least *threshold* (0 to 1), else 0."""
    return np.where(alpha >= _level(alpha, threshold), np.uint8(255), np.uint8(0))


def rgba(colours: Deep, alpha: Deep) -> Deep:
    """(H, W, 4) BGRA, new: *colours* with straight *alpha*, black where alpha is 0."""
    out = np.empty((*alpha.shape, 4), colours.dtype)
    np.multiply(colours, (alpha > 0)[..., None], out=out[..., :3])
    out[..., 3] = alpha
    return out


def on_black(colours: Deep, alpha: Deep, threshold: float) -> Deep:
    """(H, W, 3) BGR, new: *colours* times *alpha* in the mask of *threshold*, else black."""
    inside = np.where(alpha >= _level(alpha, threshold), alpha, alpha.dtype.type(0))
    weights = cv2.cvtColor(inside, cv2.COLOR_GRAY2BGR)
    return cv2.multiply(colours, weights, dst=weights, scale=1 / _full(alpha))


def over(colours: Deep, alpha: Deep, backdrop: Deep) -> Deep:
    """(H, W, 3) BGR, new: *colours* blended over *backdrop*, (H, W, 3); all of one type."""
    weights = cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR)
    front = cv2.multiply(colours, weights, scale=1 / _full(alpha))
    cv2.bitwise_not(weights, dst=weights)
    cv2.multiply(backdrop, weights, dst=weights, scale=1 / _full(alpha))
    return cv2.add(front, weights, dst=front)


def _full(values: Deep) -> int:
    return int(np.iinfo(values.dtype).max)


def _level(alpha: Deep, threshold: float) -> int:
    return max(1, int(np.ceil(threshold * _full(alpha) - 1e-9)))
