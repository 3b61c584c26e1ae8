"""Places sprites in frames: affine maps, and exact resampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.evaluation.drawing import Sprite

Affine = NDArray[np.float64]
"""(2, 3): (x, y) goes to `A @ (x, y, 1)`; pixel centres lie at whole numbers."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The part of a frame that a sprite covers."""

    box: tuple[slice, slice]
    """Rows and columns of the frame."""
    lit: NDArray[np.float32]
    """(h, w, 4) in [0, 255]: BGR already weighted by alpha, and alpha."""

    @property
    def alpha(self) -> NDArray[np.float32]:
        """(h, w) in [0, 255]."""
        return self.lit[..., 3]

    def over(self, picture: NDArray[np.float32]) -> None:
        """Blend it over *picture*, (H, W, 3), in place."""
        if self.lit.size:
            rest = cv2.cvtColor(1 - self.alpha / 255, cv2.COLOR_GRAY2BGR)
            own = cv2.cvtColor(self.lit, cv2.COLOR_BGRA2BGR)
            picture[self.box] = cv2.add(cv2.multiply(picture[self.box], rest), own)


def layer(
    placed: Sequence[tuple[Sprite, Affine]], size: tuple[int, int], density: int = 2
) -> Layer:
    """
    The mean of one sprite at several moments, each with its place, in a frame of *size*, (W, H).

    Each pixel is sampled *density* times, 1 or 2, in each direction: 1 will do out of focus.
    """
    if _stands(placed):
        placed = placed[len(placed) // 2 :][:1]
    boxes = [_box(sprite, place, size) for sprite, place in placed]
    inside = [box for box in boxes if box is not None]
    if not inside:
        return Layer(np.s_[0:0, 0:0], np.zeros((0, 0, 4), np.float32))
    x0, y0 = (min(box[side] for box in inside) for side in (0, 1))
    x1, y1 = (max(box[side] for box in inside) for side in (2, 3))
    if len(placed) == 1:
        return Layer(np.s_[y0:y1, x0:x1], _sampled(*placed[0], (x0, y0, x1, y1), density))
    total = np.zeros((y1 - y0, x1 - x0, 4), np.float32)
    for (sprite, place), box in zip(placed, boxes, strict=True):
        if box is not None:
            left, top, right, bottom = box
            part = total[top - y0 : bottom - y0, left - x0 : right - x0]
            part += 1 / len(placed) * _sampled(sprite, place, box, density)
    return Layer(np.s_[y0:y1, x0:x1], total)


def chain(then: Affine, first: Affine) -> Affine:
    """The affine map that applies *first*, and after it *then*."""
    both = np.vstack([then, (0, 0, 1)]) @ np.vstack([first, (0, 0, 1)])
    return np.asarray(both[:2], np.float64)


def inverse(affine: Affine) -> Affine:
    """The map that undoes *affine*."""
    return np.asarray(cv2.invertAffineTransform(affine), np.float64)


def shift(x: float, y: float) -> Affine:
    """The map that moves everything by *x* and *y* pixels."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


def _stands(placed: Sequence[tuple[Sprite, Affine]]) -> bool:
    """Whether no corner moves as far as half a pixel, so that one moment is enough."""
    corners = [
        np.array([(0, 0, 1), (w, 0, 1), (0, h, 1), (w, h, 1)]) @ place.T
        for (h, w), place in ((sprite.lit.shape[:2], place) for sprite, place in placed)
    ]
    return bool(np.ptp(corners, axis=0).max() < 0.5)


def _box(sprite: Sprite, place: Affine, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of what the sprite may touch; None if outside the frame."""
    tall, wide = sprite.lit.shape[:2]
    corners = np.array([(0, 0, 1), (wide, 0, 1), (0, tall, 1), (wide, tall, 1)]) @ place.T
    x0, y0 = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 2, 0)
    x1 = min(int(np.ceil(corners[:, 0].max())) + 3, size[0])
    y1 = min(int(np.ceil(corners[:, 1].max())) + 3, size[1])
    return None if x1 <= x0 or y1 <= y0 else (int(x0), int(y0), x1, y1)


def _sampled(
    sprite: Sprite, place: Affine, box: tuple[int, int, int, int], density: int
) -> NDArray[np.float32]:
    """The sprite, resampled within *box*."""
    x0, y0, x1, y1 = box
    if density == 1:
        near = chain(shift(-x0, -y0), place)
        plain = cv2.warpAffine(sprite.lit, near, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
        return np.asarray(plain, np.float32)
    # Pixel p of the frame is the mean of pixels 2p and 2p + 1 of the dense picture.
    dense = np.array([[2, 0, 0.5 - 2 * x0], [0, 2, 0.5 - 2 * y0]])
    large = cv2.warpAffine(
        sprite.lit, chain(dense, place), (2 * (x1 - x0), 2 * (y1 - y0)), flags=cv2.INTER_LINEAR
    )
    small = cv2.resize(large.astype(np.float32), (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
