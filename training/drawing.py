"""
Subjects and pictures that are drawn from random numbers, for generated clips.

None of the program's own evaluation clips is used: their subjects are kept for judging.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.evaluation.drawing import moved
from streamer.evaluation.pictures import photograph
from streamer.frame import Image
from streamer.matting.flow import Flow

Random = np.random.Generator

Picture = NDArray[np.floating]
"""(h, w, 3) or (h, w) float32 in 0..1."""

_ONE_MAP: Any = None
"""For `remap`: its map has both coordinates."""

SHEET = 192
"""Pixels of a sprite's sheet, in both directions."""
_PHOTOGRAPHS = ("hubble_deep_field.jpg", "ihc.png", "retina.jpg", "coins.png")
"""Of scikit-image, and free to use; the program is judged on others."""


@dataclass(frozen=True, slots=True)
class Sprite:
    """A drawn part: (SHEET, SHEET, 4) float32, BGR weighted by alpha and alpha, in 0..1."""

    lit: Picture
    anchor: tuple[float, float]
    """The point that is placed, and about which it turns."""
    box: tuple[int, int, int, int]
    """Left, top, width and height of what is not bare."""

    @classmethod
    def of(cls, lit: Picture, anchor: tuple[float, float]) -> Sprite:
        """A sprite of all that is in *lit*."""
        left, top, width, height = cv2.boundingRect((lit[..., 3] > 0).astype(np.uint8))
        return cls(lit, anchor, (left, top, width, height))


def surface(width: int, height: int, random: Random) -> Picture:
    """(height, width, 3) float32 in 0..1: paint, cloth, stone, a lawn, or a photograph's part."""
    base = random.uniform(0.05, 0.95, 3).astype(np.float32)
    kind = random.choice(["plain", "stripes", "clouds", "grain", "checks", "photograph"],
                         p=[0.3, 0.14, 0.2, 0.12, 0.1, 0.14])  # fmt: skip
    other = random.uniform(0.05, 0.95, 3).astype(np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle, step = random.uniform(0, math.pi), random.uniform(3, 30)
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle)
    across -= x * math.sin(angle)
    match kind:
        case "stripes":
            share = 0.5 + 0.5 * np.sign(np.sin(along * (2 * math.pi / step)))
        case "checks":
            share = 0.5 + 0.5 * np.sign(np.sin(along * 6.3 / step) * np.sin(across * 6.3 / step))
        case "clouds":
            share = np.clip(0.5 + noise(width, height, random, random.uniform(3, 12)), 0, 1)
        case "grain":
            share = np.clip(0.5 + noise(width, height, random, random.uniform(30, 90)), 0, 1)
        case "photograph":
            return _of_photograph(width, height, random)
        case _:
            share = along / max(width, height) * 0.4
    picture = base + share[..., None] * (other - base) * random.uniform(0.2, 1.0)
    return np.clip(picture, 0, 1).astype(np.float32)


def noise(width: int, height: int, random: Random, cells: float) -> Picture:
    """(height, width) float32 about 0: noise of three octaves, the broadest of *cells* patches."""
    total = np.zeros((height, width), np.float32)
    for octave in range(3):
        across = max(2, round(cells * 2**octave))
        down = min(height, max(2, round(across * height / width)))
        grid = random.standard_normal((down, across)).astype(np.float32)
        total += 0.3 * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    return total


def room(width: int, height: int, random: Random) -> Picture:
    """(height, width, 3) float32 in 0..1: a wall or a place outdoors, with things before it."""
    picture = surface(width, height, random)
    for _ in range(random.integers(0, 14)):
        wide, tall = (max(2, round(side * random.uniform(0.03, 0.4))) for side in (width, height))
        left = int(random.integers(-wide // 2, width))
        top = int(random.integers(-tall // 2, height))
        right, bottom = min(width, left + wide), min(height, top + tall)
        left, top = max(0, left), max(0, top)
        if right > left and bottom > top:
            picture[top:bottom, left:right] = surface(right - left, bottom - top, random)
    for _ in range(random.integers(0, 4)):
        sprite = thing(random)
        matrix = placed(sprite, random.uniform(0, width), random.uniform(0, height),
                        random.uniform(0.2, 0.8), random.uniform(-20, 20))  # fmt: skip
        lay(picture, sprite, matrix)
    blur = random.uniform(0, 3) * random.integers(0, 2)
    if blur > 0.3:
        cv2.GaussianBlur(picture, (0, 0), blur, dst=picture)
    return picture


def thing(random: Random) -> Sprite:
    """A blob with a rim of its own: smooth or spiky, some with a hole or with thin rods."""
    mask = np.zeros((SHEET, SHEET), np.uint8)
    angles = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    radius = np.full_like(angles, random.uniform(0.24, 0.36))
    for wave in range(2, random.integers(3, 9)):
        radius += random.normal(0, 0.10 / wave) * np.cos(wave * angles + random.uniform(0, 6.3))
    radius = np.clip(radius, 0.06, 0.46)
    stretch = random.uniform(0.5, 1)
    rim = np.stack([np.cos(angles) * radius * stretch, np.sin(angles) * radius], axis=1)
    _fill(mask, rim + 0.5)
    for _ in range(random.integers(0, 5) if random.random() < 0.3 else 0):
        start, end = 0.5 + random.normal(0, 0.1, 2), random.uniform(0.06, 0.94, 2)
        _stroke(mask, np.array([start, end]), random.uniform(1, 9))
    if random.random() < 0.25:
        hole = random.uniform(0.3, 0.7) * radius.min()
        _fill(mask, rim * hole / radius[:, None] + 0.5 + random.normal(0, 0.04, 2), 0)
    if random.random() < 0.3:
        _hair(mask, (0.5, 0.5), float(radius.mean()), (0, 360), random)
    anchor = (SHEET * 0.5, SHEET * random.uniform(0.5, 0.9))
    return _painted(mask, random, anchor)


def person(random: Random) -> tuple[Sprite, Sprite, Sprite, Sprite, dict[str, tuple[float, float]]]:
    """
    Draw somebody from the waist up: body, head, upper arm and forearm.

    Returns:
        The sprites, and in the body's pixels where neck and shoulders are, and in the upper arm's
        the elbow.
    """
    skin = _skin(random)
    cloth, shoulder = random.integers(0, 2**31), random.uniform(0.2, 0.32)
    waist = shoulder * random.uniform(0.7, 1.05)
    top = random.uniform(0.1, 0.16)
    half = np.array([(0.05, top - 0.06), (0.07, top), (shoulder * 0.8, top + 0.05),
                     (shoulder, top + 0.14), (waist, 0.6), (waist * 1.1, 1.05)])  # fmt: skip
    mask = np.zeros((SHEET, SHEET), np.uint8)
    _fill(mask, moved(np.vstack([half, half[::-1] * (-1, 1)]), 0.5, 0.0))
    body = _painted(mask, np.random.default_rng(cloth), (SHEET / 2, SHEET * 0.95))
    head = _head(random, skin)
    thick = random.uniform(0.045, 0.075) * SHEET
    upper = np.zeros((SHEET, SHEET), np.uint8)
    _stroke(upper, np.array([(0.5, 0.15), (0.5, 0.55)]), 2 * thick)
    fore = np.zeros((SHEET, SHEET), np.uint8)
    _stroke(fore, np.array([(0.5, 0.85), (0.5, 0.45)]), 1.7 * thick)
    _fill(fore, np.array([(0.46, 0.46), (0.43, 0.36), (0.57, 0.36), (0.54, 0.46)]))
    for finger in range(5):
        tip = (0.5 + (finger - 2) * random.uniform(0.02, 0.045), random.uniform(0.16, 0.26))
        _stroke(fore, np.array([(0.5 + (finger - 2) * 0.028, 0.4), tip]), random.uniform(3, 6))
    sleeve = np.random.default_rng(cloth)
    arm = _painted(upper, sleeve, (SHEET * 0.5, SHEET * 0.15))
    hand = _painted(fore, random, (SHEET * 0.5, SHEET * 0.85), skin)
    joints = {
        "neck": (SHEET * 0.5, SHEET * top),
        "left": (SHEET * (0.5 - shoulder * 0.86), SHEET * (top + 0.13)),
        "right": (SHEET * (0.5 + shoulder * 0.86), SHEET * (top + 0.13)),
        "elbow": (SHEET * 0.5, SHEET * 0.55),
    }
    return body, head, arm, hand, joints


def placed(sprite: Sprite, x: float, y: float, scale: float, degrees: float) -> NDArray[np.float64]:
    """(2, 3): the affine map that brings the anchor of *sprite* to (x, y), for `lay`."""
    matrix = cv2.getRotationMatrix2D(sprite.anchor, degrees, scale)
    matrix[:, 2] += np.subtract((x, y), sprite.anchor)
    return np.asarray(matrix, np.float64)


def lay(
    picture: Picture,
    sprite: Sprite,
    matrix: NDArray[np.float64],
    alpha: Picture | None = None,
    bend: Flow | None = None,
) -> None:
    """
    Lay *sprite*, mapped by *matrix*, over *picture*, (h, w, 3) float32 in 0..1.

    Args:
        picture: updated.
        sprite: borrowed.
        matrix: (2, 3).
        alpha: (h, w) float32 in 0..1, over which it is laid as well.
        bend: (SHEET, SHEET, 2) float32: where each of its pixels is taken from.
    """
    lit = sprite.lit
    if bend is not None:
        lit = np.asarray(cv2.remap(lit, bend, _ONE_MAP, cv2.INTER_LINEAR), np.float32)
    # Only the part of the frame that it is in.
    corners = np.array([(0, 0, 1), (SHEET, 0, 1), (0, SHEET, 1), (SHEET, SHEET, 1)], float)
    if bend is None:
        corners[:, :2] = corners[:, :2] / SHEET * sprite.box[2:] + sprite.box[:2]
    ends = corners @ matrix.T
    left, top = np.maximum(np.floor(ends.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(ends.max(axis=0)).astype(int) + 2, picture.shape[1::-1])
    if right <= left or bottom <= top:
        return
    there = matrix.copy()
    there[:, 2] -= (left, top)
    seen = cv2.warpAffine(lit, there, (int(right - left), int(bottom - top)))
    bare = 1 - seen[..., 3]
    here = picture[top:bottom, left:right]
    here *= bare[..., None]
    here += seen[..., :3]
    if alpha is not None:
        here = alpha[top:bottom, left:right]
        here *= bare
        here += seen[..., 3]


def _head(random: Random, skin: Picture) -> Sprite:
    mask = np.zeros((SHEET, SHEET), np.uint8)
    wide, tall = random.uniform(0.15, 0.2), random.uniform(0.2, 0.26)
    angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    face = np.stack([np.cos(angles) * wide, np.sin(angles) * tall], axis=1) + 0.5
    _stroke(mask, np.array([(0.5, 0.6), (0.5, 0.88)]), 0.16 * SHEET)
    _fill(mask, face)
    lit = _painted(mask, random, (SHEET / 2, SHEET * 0.84), skin).lit.copy()
    for side in (-1, 1):
        eye = (round(SHEET * (0.5 + side * wide * 0.4)), round(SHEET * 0.48))
        cv2.ellipse(lit, eye, (5, 3), 0, 0, 360, (0.05, 0.05, 0.08, 1), -1, cv2.LINE_AA)
    mouth = (SHEET // 2, round(SHEET * (0.5 + tall * 0.55)))
    cv2.ellipse(lit, mouth, (12, 3), 0, 0, 360, (0.25, 0.2, 0.5, 1), -1, cv2.LINE_AA)
    crown = np.zeros((SHEET, SHEET), np.uint8)
    fall = random.uniform(-0.05, 0.3)
    hair = [(-wide * 1.1, fall), (-wide * 1.15, -tall * 0.5), (-wide * 0.6, -tall * 1.12),
            (wide * 0.6, -tall * 1.12), (wide * 1.15, -tall * 0.5), (wide * 1.1, fall),
            (wide * 0.86, -tall * 0.25), (0, -tall * random.uniform(0.3, 0.6)),
            (-wide * 0.86, -tall * 0.25)]  # fmt: skip
    if random.random() < 0.9:
        _fill(crown, np.array(hair) + 0.5)
        _hair(crown, (0.5, 0.42), (wide + tall) / 2, (150, 390), random)
    dark = random.uniform(0.02, 0.5) * np.array([0.6, 0.8, 1.0], np.float32)
    cap = _painted(crown, random, (0, 0), dark.astype(np.float32)).lit
    lit = lit * (1 - cap[..., 3:]) + cap
    return Sprite.of(lit.astype(np.float32), (SHEET / 2, SHEET * 0.84))


def _painted(
    mask: NDArray[np.uint8],
    random: Random,
    anchor: tuple[float, float],
    colour: Picture | None = None,
) -> Sprite:
    """What *mask* covers, in a colour or with a surface, shaded towards its rim."""
    soft = cv2.GaussianBlur(mask, (0, 0), random.uniform(0.6, 1.6)).astype(np.float32) / 255
    paint = surface(SHEET, SHEET, random) if colour is None else np.broadcast_to(
        colour, (SHEET, SHEET, 3)
    )  # fmt: skip
    depth = cv2.GaussianBlur(mask, (0, 0), 9).astype(np.float32) / 255
    y, x = np.mgrid[0:SHEET, 0:SHEET].astype(np.float32) / SHEET - 0.5
    lean = random.uniform(-0.5, 0.5, 2)
    light = (0.55 + 0.5 * depth) * (1 + lean[0] * x + lean[1] * y)
    shaded = np.clip(paint * light[..., None], 0, 1) * soft[..., None]
    return Sprite.of(np.dstack([shaded, soft]).astype(np.float32), anchor)


def _fill(mask: NDArray[np.uint8], points: NDArray[np.float64], value: int = 255) -> None:
    """*points* are in sheets."""
    fixed = np.rint(points * SHEET * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed], (value,), cv2.LINE_AA, 4)


def _stroke(mask: NDArray[np.uint8], points: NDArray[np.float64], width: float) -> None:
    fixed = np.rint(points * SHEET * 16).astype(np.int32)
    cv2.polylines(mask, [fixed], False, (255,), max(1, round(width)), cv2.LINE_AA, 4)


def _hair(
    mask: NDArray[np.uint8],
    middle: tuple[float, float],
    radius: float,
    degrees: tuple[float, float],
    random: Random,
) -> None:
    """Strands that leave a circle, thinner than a pixel of the frame."""
    for angle in np.radians(random.uniform(*degrees, random.integers(20, 120))):
        out = np.array([math.cos(angle), math.sin(angle)])
        root = np.array(middle) + out * radius * 0.9
        tip = root + out * radius * random.uniform(0.15, 0.5) + random.normal(0, 0.03, 2)
        _stroke(mask, np.array([root, tip]), 1)


def _skin(random: Random) -> Picture:
    light = random.uniform(0.25, 0.95)
    return np.array([0.62, 0.74, 0.95], np.float32) * light


def _of_photograph(width: int, height: int, random: Random) -> Picture:
    picture: Image | None = photograph(_PHOTOGRAPHS[random.integers(len(_PHOTOGRAPHS))])
    if picture is None:
        raise RuntimeError("scikit-image, whose photographs are drawn, is missing: the extra train")
    share = random.uniform(0.3, 1)
    tall = max(8, round(picture.shape[0] * share))
    wide = min(picture.shape[1], max(8, round(tall * width / height)))
    top = random.integers(0, picture.shape[0] - tall + 1)
    left = random.integers(0, picture.shape[1] - wide + 1)
    part = picture[top : top + tall, left : left + wide]
    if random.random() < 0.5:
        part = part[:, ::-1]
    size = (width, height)
    return cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
