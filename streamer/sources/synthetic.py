"""
A generated subject over a moving background, whose alpha is known exactly in every frame.

The subject has soft edges, strands finer than a pixel and a hole. Everything is drawn once, in
`open`; a frame is one copy of the background and one blend where the subject stands.
"""

from __future__ import annotations

import math
import time
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.config import SyntheticSourceConfig
from streamer.errors import EndOfStream, SourceLost
from streamer.frame import Alpha, Grab, Image, StreamInfo

_SCALE = 4
"""The subject is drawn this many times larger and shrunk, which softens its edges."""
_STRANDS = 40
_PERIOD = 240
"""Frames in one round of the subject's path, and of the background's."""


class SyntheticSource:
    """
    Frames whose alpha is known (`truth`): round(alpha * subject + (1 - alpha) * background).

    The same seed and size give the same frames.
    """

    def __init__(self, config: SyntheticSourceConfig) -> None:
        self._config = config
        self._fps = Fraction(str(config.fps))
        self._scene: _Scene | None = None
        self._index = 0
        self._open = False

    def __repr__(self) -> str:
        return f"SyntheticSource({self._config.width}x{self._config.height})"

    @property
    def name(self) -> str:
        """Always `synthetic`."""
        return "synthetic"

    def open(self) -> StreamInfo:
        """Draw the subject and the background."""
        self._drawn()
        self._open = True
        return StreamInfo(
            self.name,
            self._config.width,
            self._config.height,
            fps=self._fps,
            time_base=1 / self._fps,
            live=self._config.realtime,
            paced=self._config.realtime,
            frames=self._config.frames,
        )

    def read(self, out: Image) -> Grab:
        """Write the next frame into *out*; see `Source.read`."""
        if not self._open or self._scene is None:
            raise SourceLost(f"{self.name}: is not open")
        if self._config.frames is not None and self._index >= self._config.frames:
            raise EndOfStream
        self._scene.draw(self._index, out)
        self._index += 1
        return Grab(self._index - 1, 1 / self._fps, time.monotonic_ns())

    def truth(self, index: int, out: Alpha) -> None:
        """
        Write the exact alpha of frame *index*, which is also its `pts`, into *out*.

        Args:
            index: from 0; need not have been read.
            out: (height, width) uint8; overwritten.
        """
        self._drawn().truth(index, out)

    def close(self) -> None:
        """Stop; `truth` still answers. Never raises."""
        self._open = False

    def _drawn(self) -> _Scene:
        if self._scene is None:
            config = self._config
            self._scene = _Scene(config.width, config.height, config.seed)
        return self._scene


class _Scene:
    """The drawn parts and where they are in each frame."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._size = (width, height)
        tall = max(8, height * 3 // 4)
        wide = max(8, min(tall * 3 // 4, width * 3 // 4))
        self._alpha = _subject_alpha(wide, tall, random)
        colours = _texture(wide, tall, random, 8)
        self._room = (width - wide, height - tall)
        self._slack = (max(2, width // 8), max(2, height // 8))
        self._background = _texture(width + self._slack[0], height + self._slack[1], random, 24)
        alpha = np.repeat(self._alpha[..., None], 3, axis=2).astype(np.uint16)
        self._lit = colours * alpha
        self._rest = (255 - alpha).astype(np.uint16)
        self._blend = np.empty_like(self._lit)
        self._carry = np.empty_like(self._lit)

    def draw(self, index: int, out: Image) -> None:
        width, height = self._size
        x, y = _on_path(index, self._slack, 2)
        np.copyto(out, self._background[y : y + height, x : x + width])
        place = out[self._place(index)]
        blend, carry = self._blend, self._carry
        np.copyto(blend, place)
        np.multiply(blend, self._rest, out=blend)
        np.add(blend, self._lit, out=blend)
        # Division by 255, rounded, exact for all of 0..65025 (Blinn 1995).
        np.add(blend, 128, out=blend)
        np.right_shift(blend, 8, out=carry)
        np.add(blend, carry, out=blend)
        np.right_shift(blend, 8, out=blend)
        np.copyto(place, blend, casting="unsafe")

    def truth(self, index: int, out: Alpha) -> None:
        out.fill(0)
        np.copyto(out[self._place(index)], self._alpha)

    def _place(self, index: int) -> tuple[slice, slice]:
        x, y = _on_path(index, self._room, 1)
        tall, wide = self._alpha.shape
        return slice(y, y + tall), slice(x, x + wide)


def _on_path(index: int, room: tuple[int, int], turns: int) -> tuple[int, int]:
    """A point in 0..*room* on a Lissajous figure, which takes `_PERIOD` / *turns* frames."""
    angle = 2 * math.pi * turns * index / _PERIOD
    return (
        round(room[0] * (0.5 + 0.5 * math.sin(angle))),
        round(room[1] * (0.5 + 0.5 * math.cos(2 * angle))),
    )


def _subject_alpha(width: int, height: int, random: np.random.Generator) -> Alpha:
    """A head with strands of hair over shoulders, and a hole beside the arm."""
    wide, tall = width * _SCALE, height * _SCALE
    large = np.zeros((tall, wide), np.uint8)
    head = (wide // 2, tall * 3 // 10)
    radius = min(wide, tall) // 5
    cv2.ellipse(large, (wide // 2, tall), (wide * 2 // 5, tall * 3 // 5), 0, 0, 360, (255,), -1)
    cv2.circle(large, head, radius, (255,), -1)
    for angle in random.uniform(math.pi, 2 * math.pi, _STRANDS):
        reach = radius * random.uniform(1.1, 1.45)
        tip = (
            round(head[0] + reach * math.cos(angle)),
            round(head[1] + reach * math.sin(angle)),
        )
        cv2.line(large, head, tip, (255,), 2, cv2.LINE_AA)
    hole = (wide // 2 + wide // 5, tall * 17 // 20)
    cv2.ellipse(large, hole, (wide // 16, tall // 12), 0, 0, 360, (0,), -1)
    small = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (3, 3), 0)
    return soft.astype(np.uint8, copy=False)


def _texture(width: int, height: int, random: np.random.Generator, cells: int) -> NDArray[np.uint8]:
    """(height, width, 3) coloured noise: broad patches with a fine grain."""
    shade = random.integers(60, 170, (cells, cells, 1), dtype=np.uint8)
    broad = shade + random.integers(0, 60, (cells, cells, 3), dtype=np.uint8)
    patches = cv2.resize(broad, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = random.integers(0, 24, (height, width, 3), dtype=np.uint8)
    return cv2.add(patches, grain).astype(np.uint8, copy=False)
