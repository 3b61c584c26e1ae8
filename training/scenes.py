"""Random scenes: subjects that move before a room or a street, and what a camera makes of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Alpha
from streamer.matting.luma import Colours
from training.drawing import SHEET, Picture, Random, Sprite, lay, noise, person, placed, room, thing

SIZE = (180, 320)
"""(h, w) of the frames: what the program tracks by."""
_ROOM = 1.4
"""Times that: the room."""

Path = Callable[[float], tuple[float, float, float, float]]
"""By frame: x and y in frames, scale, degrees."""


@dataclass(frozen=True, slots=True)
class _Part:
    sprite: Sprite
    owner: int
    """Which part before this it hangs on; -1: none."""
    joint: tuple[float, float]
    """In the owner's pixels."""
    path: Path


class Scene:
    """
    A scene from its first frame on, all by *random*.

    Frames must be asked for in ascending order of time: noise follows it.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        height, width = SIZE
        self._room = room(round(width * _ROOM), round(height * _ROOM), random)
        self._camera = _camera(random)
        self._subjects = [_somebody(random) for _ in range(_some(random, (0.85, 0.15), 1))]
        movers = _some(random, (0.45, 0.2, 0.15, 0.1, 0.1), 0)
        self._movers = [_mover(random) for _ in range(movers)]
        self._occluder = _mover(random) if random.random() < 0.08 else None
        self._blur = random.uniform(0.3, 2.5) if random.random() < 0.6 else 0.0
        self._light = _light(random)
        self._noise = random.uniform(0, 6) if random.random() < 0.8 else random.uniform(6, 14)
        self._quality = int(random.integers(25, 90)) if random.random() < 0.4 else None
        self._exposures = 3 if random.random() < 0.2 else 1
        bend = noise(SHEET, SHEET, random, 4)
        self._bend = (bend, random.uniform(0, 8) if random.random() < 0.4 else 0.0,
                      random.uniform(0.05, 0.4))  # fmt: skip

    def frame(self, time: float) -> tuple[Colours, Alpha]:
        """
        The picture and its true alpha.

        Returns:
            (h, w, 3) uint8 BGR and (h, w) uint8, both new.
        """
        moments = time + np.linspace(-0.25, 0.25, self._exposures) * (self._exposures > 1)
        both = [self._exposed(float(moment)) for moment in moments]
        picture, alpha = (np.add.reduce([one[n] for one in both]) / len(both) for n in (0, 1))
        picture *= (255 * self._light(time)).astype(np.float32)
        picture += self._random.standard_normal(picture.shape, np.float32) * self._noise
        seen = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
        if self._quality is not None:
            coded = cv2.imencode(".jpg", seen, (cv2.IMWRITE_JPEG_QUALITY, self._quality))[1]
            seen = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
        return seen, np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8)

    def neighbour(self, time: float) -> Alpha:
        """The alpha of one in view that passes or swings behind the subjects; 0 if none does."""
        view, nothing = self._view(time), np.zeros((*SIZE, 3), np.float32)
        for number in self._random.permutation(len(self._movers)):
            alpha, hidden = np.zeros(SIZE, np.float32), np.zeros(SIZE, np.float32)
            _lay_parts(nothing, self._movers[number], time, view, alpha)
            if self._occluder is not None:
                _lay_parts(nothing, self._occluder, time, view, hidden)
            seen = np.clip(alpha, 0, 1) * (1 - np.clip(hidden, 0, 1))
            if seen.any():
                return np.rint(seen * 255).astype(np.uint8)
        return np.zeros(SIZE, np.uint8)

    def _view(self, time: float) -> NDArray[np.float64]:
        """From the room's frame to the picture, 3x3."""
        height, width = SIZE
        x, y, scale, degrees = self._camera(time)
        view = np.vstack(
            [cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale), [0, 0, 1]]
        )
        view[:2, 2] += (x * width, y * height)
        return np.asarray(view)

    def _exposed(self, time: float) -> tuple[Picture, Picture]:
        height, width = SIZE
        view = self._view(time)
        centred = np.eye(3)
        centred[:2, 2] = (width - self._room.shape[1]) / 2, (height - self._room.shape[0]) / 2
        picture = cv2.warpAffine(
            self._room, (view @ centred)[:2], (width, height), borderMode=cv2.BORDER_REFLECT
        ).astype(np.float32)
        for mover in self._movers:
            _lay_parts(picture, mover, time, view)
        if self._blur:
            cv2.GaussianBlur(picture, (0, 0), self._blur, dst=picture)
        alpha = np.zeros((height, width), np.float32)
        for subject in self._subjects:
            _lay_parts(picture, subject, time, view, alpha, self._bent(time))
        if self._occluder is not None:
            hidden = np.zeros((height, width), np.float32)
            _lay_parts(picture, self._occluder, time, view, hidden)
            alpha *= 1 - np.clip(hidden, 0, 1)
        return picture, alpha

    def _bent(self, time: float) -> Picture | None:
        field, strength, rate = self._bend
        if not strength:
            return None
        y, x = np.mgrid[0:SHEET, 0:SHEET].astype(np.float32)
        reach = strength * math.sin(rate * time)
        return np.dstack([x + reach * field, y + 0.5 * reach * field.T]).astype(np.float32)


def _lay_parts(
    picture: Picture,
    parts: list[_Part],
    time: float,
    view: NDArray[np.float64],
    alpha: Picture | None = None,
    bend: Picture | None = None,
) -> None:
    height, width = SIZE
    laid: list[NDArray[np.float64]] = []
    turned: list[tuple[float, float]] = []
    for part in parts:
        x, y, scale, degrees = part.path(time)
        if part.owner < 0:
            place = (x * width, y * height)
            scale = scale * height / SHEET
        else:
            place = tuple(laid[part.owner] @ (*part.joint, 1.0))
            scale, degrees = turned[part.owner][0] * scale, turned[part.owner][1] + degrees
        laid.append(placed(part.sprite, place[0], place[1], scale, degrees))
        turned.append((scale, degrees))
        seen = (view @ np.vstack([laid[-1], [0, 0, 1]]))[:2]
        lay(picture, part.sprite, seen, alpha, bend if part.owner < 0 else None)


def _somebody(random: Random) -> list[_Part]:
    """A person, or a thing, on a way of its own."""
    if random.random() < 0.35:
        return [_Part(thing(random), -1, (0, 0), _way(random))]
    return _limbed(random, _way(random, 0.7))


def _limbed(random: Random, way: Path) -> list[_Part]:
    """A person on a *way*, of the middle of the body's lower edge."""
    body, head, upper, fore, joints = person(random)
    parts = [_Part(body, -1, (0, 0), way), _Part(head, 0, joints["neck"], _nod(random))]
    rest = random.random() < 0.5
    for side in ("left", "right"):
        if random.random() < 0.15:
            continue
        out = 1 if side == "left" else -1
        parts.append(_Part(upper, 0, joints[side], _swing(random, -out * 15, rest)))
        parts.append(_Part(fore, len(parts) - 1, joints["elbow"], _swing(random, 180, rest)))
    return parts


def _way(random: Random, size: float = 1.0) -> Path:
    """Talking, swaying, leaning, walking through, coming, leaving; *size* is in frames."""
    x, y = random.uniform(0.25, 0.75), random.uniform(0.85, 1.15)
    scale = size * random.uniform(0.55, 1.25)
    if random.random() < 0.25:
        scale, y = size * random.uniform(0.2, 0.6), random.uniform(0.5, 1.1)
    lively = random.choice([0.2, 1.0, 2.5])
    reach = lively * random.uniform(0.003, 0.03, 4) * (1, 0.5, 0.8, 60)
    rate, phase = random.uniform(0.02, 0.25, 4), random.uniform(0, 6.3, 4)
    speed = random.choice([0.0, 1.0], p=[0.65, 0.35]) * random.normal(0, 0.012)
    start, length = random.uniform(-20, 40), random.uniform(10, 80)
    grow = random.normal(0, 0.25) if random.random() < 0.25 else 0.0
    rise = random.normal(0, 0.3) if random.random() < 0.2 else 0.0

    def at(time: float) -> tuple[float, float, float, float]:
        wave = reach * np.sin(rate * time + phase)
        done = min(max((time - start) / length, 0.0), 1.0)
        done = done * done * (3 - 2 * done)
        return (x + wave[0] + speed * time, y + wave[1] + rise * done,
                scale * (1 + wave[2]) * math.exp(grow * done), wave[3])  # fmt: skip

    return at


def _nod(random: Random) -> Path:
    reach, rate, phase = random.uniform(0, 8), random.uniform(0.03, 0.3), random.uniform(0, 6.3)
    size = random.uniform(0.9, 1.15)
    return lambda time: (0, 0, size, reach * math.sin(rate * time + phase))


def _swing(random: Random, base: float, rest: bool) -> Path:
    """An arm's, which hangs or waves."""
    base += random.uniform(-15, 15) if rest else random.uniform(-150, 150)
    reach = random.uniform(0, 8) if rest else random.uniform(5, 60)
    rate, phase = random.uniform(0.05, 0.45), random.uniform(0, 6.3)
    return lambda time: (0, 0, 1.0, base + reach * math.sin(rate * time + phase))


def _mover(random: Random) -> list[_Part]:
    """Somebody or something that passes, or swings to and fro, and is no subject."""
    x, y, scale = random.uniform(-0.4, 1.4), random.uniform(0.1, 1.1), random.uniform(0.15, 0.7)
    speed = random.normal(0, 0.012) * (random.random() < 0.7)
    reach, rate = random.uniform(0, 0.08), random.uniform(0.02, 0.3)
    turn = random.normal(0, 2) * (random.random() < 0.3)
    is_person = random.random() < 0.3

    def way(time: float) -> tuple[float, float, float, float]:
        at = x + speed * time + reach * math.sin(rate * time)
        return at, y, scale, 0.0 if is_person else turn * time

    return _limbed(random, way) if is_person else [_Part(thing(random), -1, (0, 0), way)]


def _camera(random: Random) -> Path:
    """On a stand, in a hand, panning or zooming."""
    kind = random.choice(["stand", "hand", "pan", "zoom"], p=[0.6, 0.2, 0.12, 0.08])
    reach, rate = random.uniform(0.002, 0.02, 3), random.uniform(0.05, 0.5, 3)
    phase, speed = random.uniform(0, 6.3, 3), random.normal(0, 0.006, 2)
    grow = random.normal(0, 0.006)

    def at(time: float) -> tuple[float, float, float, float]:
        match kind:
            case "hand":
                x, y, roll = reach * np.sin(rate * time + phase)
                return x, y, 1.0, 40 * roll
            case "pan":
                # The room goes on for a fifth of a frame on each side.
                x, y = np.clip(speed * time * (1, 0.3), -0.2, 0.2)
                return x, y, 1.0, 0.0
            case "zoom":
                return 0.0, 0.0, math.exp(min(max(grow * time, -0.3), 0.5)), 0.0
            case _:
                return 0.0, 0.0, 1.0, 0.0

    return at


def _light(random: Random) -> Callable[[float], NDArray[np.float64]]:
    """Factors of blue, green and red by time."""
    base = random.uniform(0.5, 1.1)
    if random.random() < 0.75:
        return lambda _: np.full(3, base)
    start, length = random.uniform(0, 40), random.uniform(1, 10)
    other = base * random.uniform(0.6, 1.5) * random.uniform(0.85, 1.15, 3)

    def at(time: float) -> NDArray[np.float64]:
        done = min(max((time - start) / length, 0.0), 1.0)
        return np.asarray(base + (other - base) * done)

    return at


def _some(random: Random, shares: tuple[float, ...], least: int) -> int:
    return int(random.choice(len(shares), p=shares)) + least
