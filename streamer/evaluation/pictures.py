"""Photographs from an optional package, and drawn textures for where it is not installed."""

from __future__ import annotations

import importlib.metadata
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from streamer.frame import Image

_PACKAGE = "scikit-image"


@cache
def photograph(file: str) -> Image | None:
    """
    The picture *file* of the package scikit-image, whose code is not imported.

    Returns:
        (H, W, 3) uint8 BGR, shared and read-only; None where the package is not installed.
    """
    try:
        files = importlib.metadata.files(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for entry in files:
        path = Path(str(entry.locate()))
        if path.name == file and path.parent.name == "data" and path.is_file():
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if picture is not None:
                picture.flags.writeable = False
                return picture.astype(np.uint8, copy=False)
    return None


def has_photographs() -> bool:
    """Whether clips use photographs; if not, everything in them is drawn."""
    return photograph("astronaut.png") is not None


def clouds(width: int, height: int, random: np.random.Generator, cells: int) -> Image:
    """(height, width, 3) uint8: noise in four octaves, the coarsest *cells* patches wide."""
    total = np.zeros((height, width, 3), np.float32)
    for octave in range(4):
        count = cells << octave
        tall = max(2, count * height // max(width, 1))
        grid = random.standard_normal((tall, max(2, count), 3)).astype(np.float32)
        grid = 0.7 * grid.mean(axis=2, keepdims=True) + 0.3 * grid
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    return np.clip(128 + 40 * total, 0, 255).astype(np.uint8)
