"""A disc that moves before grass: two pictures and what is true of them."""

from __future__ import annotations

import cv2
import numpy as np


def coloured(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    grain = random.integers(0, 256, (60, 100, 3), np.uint8)
    return cv2.GaussianBlur(cv2.resize(grain, (320, 180)), (0, 0), 1)


def before_and_now(
    step: int, seed: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A disc with a texture that has moved right before another: two pictures and its masks."""
    lawn, cloth = coloured(seed), coloured(seed + 1)
    pictures, masks = [], []
    for x in (140, 140 + step):
        mask = np.zeros((180, 320), np.uint8)
        cv2.circle(mask, (x, 90), 45, 255, -1)
        here = np.roll(cloth, x - 140, axis=1)
        pictures.append(np.where(mask[..., None] > 0, here, lawn))
        masks.append(mask)
    return (*pictures, *masks)
