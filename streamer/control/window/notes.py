"""What the window writes on its picture: the rate, what a key did, and the help."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from streamer.frame import Image

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SIZE = 0.7
"""Size of letters on a picture of 720 rows."""
_SHOWN_S = 2.0
_DARKER = 0.3
_RATE_FRAMES = 30
_HELP_WIDTH, _HELP_HEIGHT, _LONGEST = 640, 480, 4096
"""Least size in pixels at which the help can be read; longest side after enlarging to it."""


class Notice:
    """
    One line of text that is shown for two seconds. Any thread may call `say`.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said = ("", -_SHOWN_S)

    def say(self, text: str) -> None:
        """Show *text* from now on, in place of the line before."""
        self._said = (text, self._clock())

    @property
    def text(self) -> str:
        """The text to show now; empty where there is none."""
        text, since_s = self._said
        return text if self._clock() - since_s < _SHOWN_S else ""


class Rate:
    """How many frames a second are shown, over the last thirty. For one thread."""

    def __init__(self) -> None:
        self._shown_ns: deque[int] = deque(maxlen=_RATE_FRAMES)

    def count(self, now_ns: int) -> None:
        """Count one more frame, shown at *now_ns*."""
        self._shown_ns.append(now_ns)

    def clear(self) -> None:
        """Start over, after a pause."""
        self._shown_ns.clear()

    @property
    def fps(self) -> float:
        """Frames per second; 0 before there are two."""
        if len(self._shown_ns) < 2:
            return 0.0
        return (len(self._shown_ns) - 1) * 1e9 / max(self._shown_ns[-1] - self._shown_ns[0], 1)


def draw_rate(picture: Image, text: str) -> None:
    """Write *text* into the upper left corner of *picture*, (H, W, 3) uint8."""
    _write(picture, text, (10, 26), _fitting(picture, text))


def draw_notice(picture: Image, text: str) -> None:
    """Write *text* into the lower left corner of *picture*, (H, W, 3) uint8."""
    bottom = picture.shape[0] / _scale(picture) - 14
    _write(picture, text, (10, bottom), _fitting(picture, text))


def roomy(picture: Image) -> Image:
    """*picture*, (H, W, 3) uint8, or a copy that is large enough for the help to be read on it."""
    height, width = picture.shape[:2]
    scale = min(max(_HELP_WIDTH / width, _HELP_HEIGHT / height), _LONGEST / max(height, width))
    if scale <= 1:
        return picture
    size = (round(width * scale), round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def draw_help(picture: Image, rows: Sequence[tuple[str, str]]) -> None:
    """Darken *picture*, (H, W, 3) uint8, and write *rows* over it, two columns, so that all fit."""
    cv2.convertScaleAbs(picture, dst=picture, alpha=_DARKER)
    height, width = picture.shape[:2]
    first, second = (max(_size(row[column])[0] for row in rows) for column in (0, 1))
    gap = _size("mm")[0]
    row = height / (len(rows) + 1)
    whole = first + gap + second
    scale = min(_SIZE * _scale(picture), row / (1.8 * _size("A")[1]), 0.95 * width / whole)
    left = (width - whole * scale) / 2
    for number, (label, what) in enumerate(rows, 1):
        for text, at in ((label, left), (what, left + (first + gap) * scale)):
            _put(picture, text, (round(at), round(number * row)), scale)


def _write(picture: Image, text: str, origin: tuple[float, float], size: float) -> None:
    """
    Write *text* on a darkened ground, so that it can be read on any picture.

    Args:
        picture: (H, W, 3) uint8; written on.
        text: one line.
        origin: its lower left, in pixels of a picture of 720 rows.
        size: of the letters.
    """
    scale = _scale(picture)
    left, bottom = round(origin[0] * scale), round(origin[1] * scale)
    wide, tall = (side * size for side in _size(text))
    margin = round(6 * scale)
    top = max(0, bottom - round(tall) - margin)
    right = min(picture.shape[1], left + round(wide) + margin)
    ground = picture[top : bottom + margin, max(0, left - margin) : right]
    if not ground.size:
        return  # the picture has no room for a letter
    ground[:] = cv2.convertScaleAbs(ground, alpha=_DARKER)
    _put(picture, text, (left, bottom), size)


def _put(picture: Image, text: str, at: tuple[int, int], size: float) -> None:
    thickness = max(1, round(1.4 * size))
    cv2.putText(picture, text, at, _FONT, size, (255, 255, 255), thickness, cv2.LINE_AA)


def _scale(picture: Image) -> float:
    return max(0.5, float(picture.shape[0]) / 720)


def _fitting(picture: Image, text: str) -> float:
    """The size of letters, smaller where *text* is too long for the picture."""
    return min(_SIZE * _scale(picture), 0.9 * float(picture.shape[1]) / max(_size(text)[0], 1))


def _size(text: str) -> tuple[int, int]:
    """(width, height) in pixels at a size of 1."""
    (width, height), _ = cv2.getTextSize(text, _FONT, 1.0, 1)
    return width, height
