"""
The subjects of truth clips: colours, and an alpha that is exact because it was drawn.

A photograph is cut along a fixed outline, a little inside the subject's edge: the cutout is the
truth by construction. (The outlines are `isnet`'s masks, repaired, shrunk by 2 px and turned into
polygons.) Hair is drawn on top, in strands finer than a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from streamer.evaluation.drawing import Points, Sheet, Sprite
from streamer.evaluation.pictures import clouds, photograph

_PORTRAIT = (
    "198,27 190,36 174,45 159,58 155,69 158,100 172,118 175,125 183,131 185,139 184,147 178,150 "
    "161,151 152,153 145,156 131,167 122,184 115,188 117,199 114,206 94,226 81,234 69,245 63,253 "
    "49,278 42,294 41,306 37,313 35,323 28,343 28,366 21,396 22,414 26,430 25,460 27,477 30,489 "
    "41,507 42,512 504,512 505,506 511,503 511,487 506,485 504,482 504,472 500,463 501,458 "
    "496,456 494,453 493,435 490,417 485,402 475,384 453,362 429,350 411,346 388,346 368,351 "
    "362,349 358,344 358,329 354,320 353,307 351,303 349,292 345,283 343,273 337,262 317,244 "
    "309,240 302,234 298,222 287,204 271,187 258,178 253,172 253,166 255,159 262,147 265,137 "
    "274,132 279,124 290,113 294,106 294,102 298,93 299,86 297,74 294,66 294,60 285,42 275,33 "
    "250,21 239,18 227,18 213,23 206,23"
)
"""`astronaut.png` of scikit-image (NASA, public domain), 512x512: x,y of the outline's corners."""
_CUP = (
    "262,21 239,27 218,37 197,54 182,75 162,85 152,86 135,96 119,112 97,142 88,160 83,175 78,205 "
    "79,234 83,252 89,269 95,282 106,300 119,317 134,332 151,346 166,356 199,372 220,379 242,384 "
    "278,388 309,387 325,385 344,381 369,373 390,363 415,346 437,325 458,295 470,268 477,233 "
    "475,204 473,195 466,180 466,177 453,150 438,129 415,106 415,99 421,82 421,76 417,71 414,69 "
    "404,69 396,73 393,72 372,50 363,43 342,31 325,25 298,20"
)
"""`coffee.png` of scikit-image (Rachel Michetti, CC0), 600x400."""


def portrait(height: int, random: np.random.Generator) -> Sprite:
    """A person from the waist up with loose hair; the anchor is the middle of the lower edge."""
    picture = photograph("astronaut.png")
    if picture is None:
        return _bust(height, random)
    sheet = Sheet.of(picture, height)
    sheet.outline(_points(_PORTRAIT))
    sheet.hair((227, 80), (64, 58), (-200, 20), 70, random, ((60, 100, 140), (120, 170, 205)))
    return sheet.sprite((256, 511))


def cup(height: int, random: np.random.Generator) -> Sprite:
    """A cup on its saucer, seen from above; the anchor is its middle."""
    picture = photograph("coffee.png")
    if picture is None:
        return _mug(height, random)
    sheet = Sheet.of(picture[:, 60:500], height)
    sheet.outline(_points(_CUP) - (60, 0))
    return sheet.sprite((218, 204))


def horse(height: int, random: np.random.Generator) -> Sprite:
    """A horse in side view, with legs apart; the anchor is its middle."""
    picture = photograph("horse.png")
    if picture is None:
        return figure(height, random)
    tall, wide = picture.shape[:2]
    coat = cv2.GaussianBlur(clouds(wide, tall, random, 5), (0, 0), 2).astype(np.float32)
    dark = cv2.distanceTransform((picture[..., 0] < 128).astype(np.uint8), cv2.DIST_L2, 5)
    light = 0.45 + 0.55 * np.minimum(dark / 26, 1)
    brown = coat * (0.32, 0.55, 0.95) * light[..., None] + (8, 14, 24)
    sheet = Sheet.of(np.clip(brown, 0, 255).astype(np.uint8), height)
    large = cv2.resize(picture[..., 0], sheet.size, interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(large, (0, 0), 1.2 * sheet.zoom)
    # The silhouette has steps of a pixel: blurred and steepened again, its edge is smooth.
    sheet.alpha[:] = np.clip((127.5 - soft.astype(np.float32)) * 3 + 110, 0, 255)
    return sheet.sprite((wide / 2, tall / 2))


def figure(height: int, random: np.random.Generator) -> Sprite:
    """A drawn person with arms akimbo (two holes) and long strands; the anchor is its middle."""
    sheet = Sheet.of(np.zeros((480, 320, 3), np.uint8), height)
    skin, cloth, hair = (150, 178, 226), (140, 70, 45), (35, 48, 82)
    for side in (-1, 1):
        sheet.limb(
            [(160 + side * 48, 168), (160 + side * 104, 236), (160 + side * 46, 300)], 17, cloth
        )
        sheet.limb([(160 + side * 58, 290), (160 + side * 40, 304)], 13, skin)
    sheet.limb([(136, 320), (132, 470)], 27, (70, 52, 46))
    sheet.limb([(184, 320), (188, 470)], 27, (62, 46, 42))
    sheet.ellipse((160, 235), (54, 96), cloth)
    sheet.limb([(160, 110), (160, 160)], 17, skin)
    _head(sheet, (160, 78), 40, skin, hair)
    sheet.grain(random, 16)
    sheet.hair((160, 70), (42, 44), (-190, 10), 110, random, (hair, (70, 92, 140)))
    return sheet.sprite((160, 240))


def _bust(height: int, random: np.random.Generator) -> Sprite:
    """A drawn person from the waist up."""
    sheet = Sheet.of(np.zeros((480, 480, 3), np.uint8), height)
    skin, cloth, hair = (150, 178, 226), (60, 110, 190), (35, 48, 82)
    sheet.ellipse((240, 470), (170, 230), cloth)
    sheet.limb([(240, 200), (240, 270)], 36, skin)
    _head(sheet, (240, 140), 78, skin, hair)
    sheet.grain(random, 16)
    sheet.hair((240, 126), (82, 84), (-190, 10), 90, random, (hair, (70, 92, 140)))
    return sheet.sprite((240, 479))


def _mug(height: int, random: np.random.Generator) -> Sprite:
    """A drawn mug with a handle, which leaves a hole."""
    sheet = Sheet.of(np.zeros((320, 360, 3), np.uint8), height)
    arc = [(240 + 70 * math.sin(t), 170 - 70 * math.cos(t)) for t in np.linspace(0.2, 2.9, 24)]
    sheet.limb(arc, 15, (40, 50, 190))
    body = np.array([(53, 76), (237, 76), (226, 290), (206, 306), (84, 306), (64, 290)], float)
    sheet.shape(body, (44, 56, 205))
    sheet.ellipse((145, 75), (92, 36), (215, 225, 235))
    sheet.ellipse((145, 80), (80, 28), (40, 70, 110))
    sheet.grain(random, 10)
    return sheet.sprite((170, 160))


def _head(
    sheet: Sheet,
    centre: tuple[float, float],
    radius: float,
    skin: tuple[int, int, int],
    hair: tuple[int, int, int],
) -> None:
    x, y = centre
    sheet.ellipse((x, y - 0.15 * radius), (1.08 * radius, 1.12 * radius), hair)
    sheet.ellipse((x, y + 0.15 * radius), (0.82 * radius, 1.02 * radius), skin)
    for side in (-1, 1):
        eye = (x + side * 0.32 * radius, y + 0.05 * radius)
        sheet.ellipse(eye, (0.15 * radius, 0.09 * radius), (240, 240, 240))
        sheet.ellipse(eye, (0.07 * radius, 0.08 * radius), (60, 40, 30))
    sheet.ellipse((x, y + 0.65 * radius), (0.28 * radius, 0.08 * radius), (90, 90, 190))
    sheet.ellipse((x, y + 0.35 * radius), (0.09 * radius, 0.16 * radius), (130, 155, 205))


def _points(text: str) -> Points:
    return np.array([[float(part) for part in pair.split(",")] for pair in text.split()])


MAKERS: dict[str, Callable[[int, np.random.Generator], Sprite]] = {
    "portrait": portrait,
    "cup": cup,
    "horse": horse,
    "figure": figure,
}
"""Makers of subjects by name; the same height in pixels and random numbers give the same one."""
