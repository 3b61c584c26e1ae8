"""Drawn rooms behind a webcam's user, furnished at random."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from streamer.evaluation.pictures import clouds
from streamer.frame import Image

_Box = tuple[int, int, int, int]
_WALLS = ((196, 204, 208), (178, 190, 176), (206, 196, 186), (168, 186, 206), (150, 146, 140))


def furnished(width: int, height: int, random: np.random.Generator) -> Image:
    """A wall with a skirting board, two or three pieces of furniture, light from one side."""
    picture = _wall(width, height, random)
    pieces = random.permutation(len(_PIECES))[:3]
    # The user covers the middle, and a frame shows no more than the middle 70 %.
    slots = random.permutation([(0.16, 0.36), (0.63, 0.84), (0.4, 0.58)][: 2 + random.integers(2)])
    for piece, (left, right) in zip(pieces, slots, strict=False):
        box = (round(left * width), round(0.18 * height), round(right * width), height)
        _PIECES[piece](picture, box, random)
    return _finished(picture, random)


def papered(width: int, height: int, random: np.random.Generator) -> Image:
    """A wall with a pattern of stripes and diamonds, and a picture on it."""
    picture = _wall(width, height, random)
    step = height / random.uniform(14, 26)
    x, y = np.meshgrid(np.arange(width) / step, np.arange(height) / step)
    ornament = np.cos(2 * np.pi * (x + y)) * np.cos(2 * np.pi * (x - y)) + 0.6 * np.cos(np.pi * x)
    picture += (ornament * random.uniform(6, 14))[..., None].astype(np.float32)
    side = random.choice([0.17, 0.65])
    box = (round(side * width), round(0.18 * height), round((side + 0.2) * width), height)
    _painting(picture, box, random)
    return _finished(picture, random)


def _wall(width: int, height: int, random: np.random.Generator) -> np.ndarray:
    rough = cv2.GaussianBlur(clouds(width, height, random, 6), (0, 0), height / 120)
    picture = np.array(_WALLS[random.integers(len(_WALLS))], np.float32)
    picture = picture + 0.12 * (rough.astype(np.float32) - 128)
    edge = round(0.83 * height)
    floor = clouds(width, height - edge, random, 12).astype(np.float32) - 128
    picture[edge:] = np.array((70, 96, 128), np.float32) + 0.3 * floor
    picture[edge - height // 40 : edge] = (216, 220, 222)
    return picture


def _finished(picture: np.ndarray, random: np.random.Generator) -> Image:
    """Add light that falls off across the room, and the blur of a lens that is focused nearer."""
    height, width = picture.shape[:2]
    fall = random.uniform(-0.25, 0.25)
    picture *= np.linspace(1 + fall, 1 - fall, width, dtype=np.float32)[None, :, None]
    soft = cv2.GaussianBlur(picture, (0, 0), height / random.uniform(220, 500))
    return np.asarray(np.clip(np.rint(soft), 0, 255), np.uint8)


def _fill(picture: np.ndarray, box: _Box, colour: tuple[float, float, float]) -> None:
    """Draw a rectangle, lit from above."""
    left, top, right, bottom = box
    part = picture[max(top, 0) : bottom, max(left, 0) : right]
    light = np.linspace(1.04, 0.94, max(len(part), 1), dtype=np.float32)[: len(part)]
    part[:] = light[:, None, None] * np.array(colour, np.float32)


def _shadow(picture: np.ndarray, box: _Box) -> None:
    """Darken the wall below and to the right of what stands before it."""
    height, width = picture.shape[:2]
    reach = max(1, height // 50)
    mask = np.zeros((height, width), np.float32)
    left, top, right, bottom = box
    mask[top + reach : bottom + reach, left + reach : right + reach] = 0.35
    picture *= 1 - cv2.GaussianBlur(mask, (0, 0), reach)[..., None]


def _shelf(picture: np.ndarray, box: _Box, random: np.random.Generator) -> None:
    """Boards with books of many colours."""
    left, top, right, bottom = box
    _shadow(picture, box)
    wood = np.array((74, 104, 146), np.float32) * random.uniform(0.5, 1.3)
    _fill(picture, box, tuple(wood * 0.55))
    board = max(2, (bottom - top) // 60)
    rows = int(random.integers(4, 6))
    for row in range(rows):
        foot = top + (bottom - top) * (row + 1) // rows
        x, room = left + board, (bottom - top) // rows - board
        while x < right - board:
            thick = int(random.integers(2, 6)) * (right - left) // 60 + 1
            tall = round(room * random.uniform(0.55, 0.92))
            if random.random() < 0.85:
                colour = tuple(random.uniform(30, 190, 3))
                _fill(picture, (x, foot - tall, min(x + thick, right - board), foot), colour)
            x += thick + 1
        _fill(picture, (left, foot, right, foot + board), tuple(wood))
    for edge in (left, right - board):
        _fill(picture, (edge, top, edge + board, bottom), tuple(wood))


def _window(picture: np.ndarray, box: _Box, random: np.random.Generator) -> None:
    """A bright sky over trees, out of focus, in a white frame."""
    left, top, right, bottom = box
    bottom = top + round(0.7 * (bottom - top))
    bar = max(2, (right - left) // 22)
    _shadow(picture, (left, top, right, bottom))
    _fill(picture, (left, top, right, bottom), (226, 230, 232))
    inner = picture[top + bar : bottom - bar, left + bar : right - bar]
    tall, wide = inner.shape[:2]
    leaves = cv2.GaussianBlur(clouds(wide, tall, random, 5), (0, 0), max(tall / 60, 1))
    sky = np.array((246, 238, 226), np.float32)
    green = np.array((96, 140, 116), np.float32) + 0.6 * (leaves.astype(np.float32) - 128)
    above = np.arange(tall)[:, None] / tall < 0.45 + 0.2 * (leaves[..., 0] / 128.0 - 1)
    share = cv2.GaussianBlur(above.astype(np.float32), (0, 0), max(tall / 40, 1))[..., None]
    inner[:] = share * sky + (1 - share) * green
    middle = (left + right) // 2
    _fill(picture, (middle - bar // 2, top, middle + bar // 2 + 1, bottom), (222, 226, 228))
    _fill(picture, (left - bar, bottom, right + bar, bottom + bar), (232, 236, 238))


def _door(picture: np.ndarray, box: _Box, random: np.random.Generator) -> None:
    """A panelled door in its frame, with a handle."""
    left, top, right, bottom = box
    top = round(0.1 * picture.shape[0])
    bottom = min(bottom, round(0.83 * picture.shape[0]))
    bar = max(2, (right - left) // 14)
    paint = np.array((206, 212, 216), np.float32) * random.uniform(0.55, 1.05)
    _fill(picture, (left - bar, top - bar, right + bar, bottom), tuple(paint * 1.05))
    _fill(picture, (left, top, right, bottom), tuple(paint * 0.92))
    wide, tall = right - left, bottom - top
    for column in (0.12, 0.56):
        for row, deep in ((0.07, 0.36), (0.55, 0.36)):
            panel = (
                left + round(column * wide), top + round(row * tall),
                left + round((column + 0.32) * wide), top + round((row + deep) * tall),
            )  # fmt: skip
            _fill(picture, panel, tuple(paint * 0.8))
            _fill(picture, (panel[0] + 2, panel[1] + 2, panel[2], panel[3]), tuple(paint * 0.97))
    grip = (right - wide // 8, top + round(0.48 * tall))
    _fill(picture, (grip[0] - wide // 12, grip[1], grip[0] + 2, grip[1] + bar // 2), (90, 110, 120))


def _painting(picture: np.ndarray, box: _Box, random: np.random.Generator) -> None:
    """A framed landscape."""
    left, top, right, bottom = box
    bottom = top + round((right - left) * random.uniform(0.55, 0.95))
    bar = max(2, (right - left) // 24)
    _shadow(picture, (left, top, right, bottom))
    _fill(picture, (left, top, right, bottom), tuple(random.uniform(20, 90, 3)))
    inner = picture[top + bar : bottom - bar, left + bar : right - bar]
    paint = clouds(inner.shape[1], inner.shape[0], random, 3).astype(np.float32)
    inner[:] = 1.3 * (paint - 128) + random.uniform(80, 190, 3)
    half = inner.shape[0] // 2
    inner[half:] = 0.5 * inner[half:] + 0.5 * random.uniform(40, 150, 3)


def _lamp(picture: np.ndarray, box: _Box, random: np.random.Generator) -> None:
    """A floor lamp that is on."""
    left, top, right, bottom = box
    height, width = picture.shape[:2]
    middle, reach = (left + right) / 2, (right - left) / 4
    head = top + round(0.1 * (bottom - top))
    foot = head + round(1.3 * reach)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    far = ((x - middle) ** 2 + (y - (head + foot) / 2) ** 2) / (3.2 * reach) ** 2
    picture += np.exp(-far)[..., None] * np.array((26, 46, 58), np.float32)
    stand = max(1, round(reach / 14))
    _fill(picture, (round(middle) - stand, foot, round(middle) + stand, bottom), (50, 52, 56))
    shade = np.array(
        [(middle - 0.6 * reach, head), (middle + 0.6 * reach, head), (middle + reach, foot),
         (middle - reach, foot)],
    )  # fmt: skip
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.rint(shade).astype(np.int32)], (255,), cv2.LINE_AA)
    share = mask[..., None].astype(np.float32) / 255
    picture *= 1 - share
    picture += share * np.array((170, 214, 240), np.float32)


_PIECES: tuple[Callable[[np.ndarray, _Box, np.random.Generator], None], ...] = (
    _shelf, _window, _door, _painting, _lamp,
)  # fmt: skip
