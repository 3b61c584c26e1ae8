"""Frames and mattes that the sinks' tests write, for test processes and the scripts they start."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np

from streamer.frame import Frame, Matte, Stamp, StreamInfo

BLUE, GREEN, RED, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)


def stream_info(
    width: int = 64,
    height: int = 48,
    fps: Fraction | None = Fraction(30),
    time_base: Fraction = Fraction(1, 30),
) -> StreamInfo:
    return StreamInfo("scene", width, height, fps, time_base, live=False)


def shot(
    index: int = 0,
    pts: int | None = None,
    *,
    width: int = 64,
    height: int = 48,
    time_base: Fraction = Fraction(1, 30),
    epoch: int = 0,
    image: np.ndarray | None = None,
    alpha: np.ndarray | None = None,
) -> tuple[Frame, Matte]:
    """The left half is red foreground and the right half green background, unless given."""
    if image is None:
        image = np.empty((height, width, 3), np.uint8)
        image[:, : width // 2] = RED
        image[:, width // 2 :] = GREEN
    if alpha is None:
        alpha = np.zeros(image.shape[:2], np.uint8)
        alpha[:, : image.shape[1] // 2] = 255
    pts = index if pts is None else pts
    stamp = Stamp(index, pts, time_base, time.monotonic_ns(), epoch)
    return Frame(image, stamp), Matte(alpha, stamp, "inferred")
