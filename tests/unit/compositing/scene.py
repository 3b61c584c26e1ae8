"""What the tests of this folder draw with: a subject with a soft edge, and the formulas."""

from __future__ import annotations

import cv2
import numpy as np

from streamer.compositing import Composer
from streamer.config import ComposeConfig, LayoutConfig, RefineConfig, Settings


def subject(width: int, height: int, *, edge_px: float = 3.0) -> np.ndarray:
    """An alpha: an ellipse whose edge is soft."""
    alpha = np.zeros((height, width), np.uint8)
    axes = (max(1, width // 5), max(1, height // 3))
    cv2.ellipse(alpha, (width // 2, height * 3 // 5), axes, 0, 0, 360, 255, -1)
    return cv2.GaussianBlur(alpha, (0, 0), edge_px) if edge_px else alpha


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    """A picture of which no pixel is like another."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def blended(image: np.ndarray, alpha: np.ndarray, background: object) -> np.ndarray:
    """The composite by its formula, in float."""
    weight = alpha[:, :, None] / 255
    return image * weight + np.asarray(background, float) * (1 - weight)


def furthest(first: np.ndarray, second: np.ndarray) -> float:
    """The largest difference of two pictures, in levels."""
    return float(np.abs(first.astype(float) - second).max())


def composer(layout: str, *, threshold: float = 0.5, **compose: object) -> Composer:
    """A composer of *layout* with `compose.…` as given."""
    return Composer(layout, settings_with(threshold=threshold, **compose))


def settings_with(*, threshold: float = 0.5, **compose: object) -> Settings:
    return Settings(RefineConfig(threshold=threshold), ComposeConfig.model_validate(compose))


def arranged(layout: str, panels: list[str], **more: object) -> LayoutConfig:
    return LayoutConfig.model_validate({"layout": layout, "panels": panels, **more})
