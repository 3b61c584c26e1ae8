"""Alphas that are drawn, and what refining makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from streamer.config import RefineConfig
from streamer.frame import Alpha
from streamer.refining import Refiner

Box = tuple[int, int, int, int]
"""Left, top, width, height."""


def refiner(**options: Any) -> Callable[[Alpha, int], None]:
    """Refines the alphas of frames in place, given the epochs of these."""
    one, config = Refiner(), RefineConfig.model_validate(options)
    return lambda alpha, epoch: one.refine(alpha, config, epoch)


def refined(alpha: Alpha, **options: Any) -> Alpha:
    """A copy of *alpha*, refined."""
    out = alpha.copy()
    refiner(**options)(out, 0)
    return out


def boxes(*places: Box, size: tuple[int, int] = (480, 360), soft_px: float = 0) -> Alpha:
    """Opaque boxes on nothing; their edges blurred by *soft_px*."""
    alpha = np.zeros(size[::-1], np.uint8)
    for left, top, wide, tall in places:
        alpha[top : top + tall, left : left + wide] = 255
    return cv2.GaussianBlur(alpha, (0, 0), soft_px) if soft_px else alpha


def disc(radius: float, size: int = 256) -> Alpha:
    """A disc in the middle, smoothed over one pixel."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.rint(np.clip(radius + 0.5 - np.hypot(x, y), 0, 1) * 255).astype(np.uint8)


def slope(width: int, over_px: float, rows: int = 40) -> Alpha:
    """From 0 at the left to 255 at the right, rising in the middle over so many pixels."""
    x = np.arange(width) - (width - 1) / 2
    row = np.clip(x / over_px + 0.5, 0, 1) * 255
    return np.repeat(np.rint(row)[None], rows, axis=0).astype(np.uint8)
