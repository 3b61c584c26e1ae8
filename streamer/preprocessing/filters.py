"""
Filters on the picture that the model is given: denoising, smoothing, choosing colours.

Each reads one picture and writes another of the same size, without new allocations of that size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.config import BlurConfig, HsvConfig, PreprocessConfig
from streamer.frame import Image
from streamer.preprocessing.scratch import Scratch

Filter = Callable[[Image, Image], None]
"""
Reads its first argument, (H, W, 3) uint8 BGR with packed rows, and overwrites its second, which has
the same shape and shares no memory with the first.
"""

_DENOISE_PX = 5
_DENOISE_LEVELS = 100.0
"""Differences that denoising of strength 1 takes for noise: a standard deviation, in levels."""
_DENOISE_SPREAD_PX = 2.0
_BILATERAL_LEVELS = 60.0


def filters_of(config: PreprocessConfig) -> list[Filter]:
    """The filters that *config* asks for, in the order in which they are applied."""
    filters: list[Filter] = []
    if config.denoise:
        filters.append(Denoising(config.denoise))
    if config.blur is not None:
        filters.append(Smoothing(config.blur))
    if config.hsv is not None:
        filters.append(ColourChoice(config.hsv))
    return filters


class Denoising:
    """
    A small bilateral filter (Tomasi & Manduchi, 1998), which averages similar pixels.

    It takes 5 dB off noise of 8 levels, and 7 dB off 15 or 25 levels, for about 7 ns a pixel on
    one core. Non-local means (luma, windows of 3 and 9 pixels) remove as much, and 1 to 2.5 dB
    more of the strongest noise, but take 15 times as long.

    Args:
        strength: more than 0, up to 1. Noise of 5, 8, 15 or 25 levels (a standard deviation) needs
            about 0.2, 0.3, 0.7 or 1.
    """

    def __init__(self, strength: float) -> None:
        self._levels = _DENOISE_LEVELS * strength

    def __call__(self, image: Image, out: Image) -> None:
        """See `Filter`."""
        cv2.bilateralFilter(image, _DENOISE_PX, self._levels, _DENOISE_SPREAD_PX, dst=out)


class Smoothing:
    """
    A gaussian, median or bilateral blur, over a square of `size_px`.

    Args:
        config: which blur. For a gaussian, OpenCV derives the standard deviation from the size:
            0.3 ((size - 1) / 2 - 1) + 0.8.
    """

    def __init__(self, config: BlurConfig) -> None:
        self._kind = config.kind
        self._size_px = config.size_px

    def __call__(self, image: Image, out: Image) -> None:
        """See `Filter`."""
        size = self._size_px
        match self._kind:
            case "gaussian":
                cv2.GaussianBlur(image, (size, size), 0, dst=out)
            case "median":
                cv2.medianBlur(image, size, dst=out)
            case "bilateral":
                cv2.bilateralFilter(image, size, _BILATERAL_LEVELS, size / 3, dst=out)


class ColourChoice:
    """
    Blacks out the colours that the model should not see.

    Hues are told apart in steps of 360/256 degrees. Black, grey and white have hue 0: set a
    minimum saturation to leave them out.

    Args:
        config: which colours, to keep or to drop.
    """

    def __init__(self, config: HsvConfig) -> None:
        self._keeps = config.mode == "keep"
        self._bounds: list[tuple[NDArray[Any], NDArray[Any]]] = []
        for one in config.ranges:
            (low_s, high_s), (low_v, high_v) = one.saturation, one.value
            for low, high in _hues(*one.hue):
                self._bounds.append(
                    (
                        np.array([low, _level(low_s), _level(low_v)]),
                        np.array([high, _level(high_s), _level(high_v)]),
                    )
                )
        self._hsv = Scratch()
        self._meant = Scratch()
        self._in_range = Scratch()

    def __call__(self, image: Image, out: Image) -> None:
        """See `Filter`."""
        hsv = self._hsv.lend(*image.shape)
        meant = self._meant.lend(*image.shape[:2])
        in_range = self._in_range.lend(*image.shape[:2])
        cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL, dst=hsv)
        meant.fill(0)
        for low, high in self._bounds:
            cv2.inRange(hsv, low, high, dst=in_range)
            cv2.bitwise_or(meant, in_range, dst=meant)
        if not self._keeps:
            cv2.bitwise_not(meant, dst=meant)
        out.fill(0)
        cv2.copyTo(image, meant, out)


def _hues(start: float, end: float) -> list[tuple[int, int]]:
    """OpenCV's hues (0 to 255) from *start* to *end* degrees: two ranges if they cross 0."""
    first, last = (min(255, round(degrees * 256 / 360)) for degrees in (start, end))
    return [(first, last)] if start <= end else [(first, 255), (0, last)]


def _level(share: float) -> int:
    return round(share * 255)
