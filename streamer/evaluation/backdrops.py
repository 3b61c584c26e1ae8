"""Backdrops of truth clips; a model should take nothing in them for a subject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.evaluation.pictures import clouds, photograph
from streamer.frame import Image


def room(width: int, height: int, random: np.random.Generator) -> Image:
    """A painted wall with a window's light on it, a skirting board and a floor."""
    wall = cv2.GaussianBlur(clouds(width, height, random, 4), (0, 0), height / 90)
    tint = np.array([186, 190, 196], np.float32)
    picture = tint + 0.25 * (wall.astype(np.float32) - 128)
    picture += np.linspace(22, -26, width, dtype=np.float32)[None, :, None]
    # Low, but still in the middle part that a frame shows when nothing drifts.
    edge = round(height * 0.8)
    picture[edge:] = _tinted("gravel.png", width, height - edge, random, (70, 96, 128), 0.3)
    picture[edge : edge + max(2, height // 60)] = (205, 210, 214)
    return _bytes(cv2.GaussianBlur(picture, (0, 0), height / 400))


def bricks(width: int, height: int, random: np.random.Generator) -> Image:
    """A brick wall, in focus: texture that optical flow can hold on to."""
    return _bytes(_tinted("brick.png", width, height, random, (104, 122, 158), 0.9))


def meadow(width: int, height: int, random: np.random.Generator) -> Image:
    """Grass to the horizon, out of focus, under a hazy sky."""
    picture = _tinted("grass.png", width, height, random, (70, 128, 104), 0.8)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), height / 240), np.float32)
    sky = np.linspace(0, 1, round(height * 0.45), dtype=np.float32)[:, None, None]
    picture[: len(sky)] = (214, 196, 176) + sky * np.array([10, 22, 34], np.float32)
    return _bytes(cv2.GaussianBlur(picture, (0, 0), height / 90))


def lawn(width: int, height: int, random: np.random.Generator) -> Image:
    """Grass, in focus, and nothing else: optical flow may take any blade for another."""
    return _bytes(_tinted("grass.png", width, height, random, (62, 122, 96), 0.9))


def gravel(width: int, height: int, random: np.random.Generator) -> Image:
    """Gravel, in focus."""
    return _bytes(_tinted("gravel.png", width, height, random, (116, 122, 130), 0.9))


def bokeh(width: int, height: int, random: np.random.Generator) -> Image:
    """A photograph so far out of focus that only its colours are left."""
    picture = photograph("chelsea.png")
    if picture is None:
        picture = clouds(width, height, random, 6)
    small = cv2.resize(picture, (160, 90), interpolation=cv2.INTER_AREA).astype(np.float32)
    blurred = cv2.GaussianBlur(small, (0, 0), 10)
    return _bytes(cv2.resize(blurred, (width, height), interpolation=cv2.INTER_CUBIC))


def _tinted(
    file: str,
    width: int,
    height: int,
    random: np.random.Generator,
    tint: tuple[int, int, int],
    contrast: float,
) -> NDArray[np.float32]:
    """A grey texture, tiled in mirror images to the size, and tinted."""
    picture = photograph(file)
    if picture is None:
        picture = clouds(512, 512, random, 40)
    rows, columns = -(-height // picture.shape[0]), -(-width // picture.shape[1])
    pair = np.vstack([picture, picture[::-1]])
    tile = np.hstack([pair, pair[:, ::-1]])
    tiled = np.tile(tile, (rows, columns, 1))[:height, :width].astype(np.float32)
    return np.asarray(np.array(tint, np.float32) + contrast * (tiled - tiled.mean()), np.float32)


def _bytes(picture: NDArray[Any]) -> Image:
    return np.asarray(np.clip(np.rint(picture), 0, 255), np.uint8)


BACKDROPS: dict[str, Callable[[int, int, np.random.Generator], Image]] = {
    "room": room,
    "bricks": bricks,
    "meadow": meadow,
    "lawn": lawn,
    "gravel": gravel,
    "bokeh": bokeh,
}
"""Makers of backdrops by name; the same size and random numbers give the same backdrop."""
