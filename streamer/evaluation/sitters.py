"""
Drawn people before a webcam; skin, hair, clothes and build are random.

A person has parts that turn about joints: a body from the neck down, a head, and, for those who
wave, upper arms and forearms. A unit of the sheets is about 1.4 mm on an adult.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from streamer.evaluation.drawing import Colour, Points, Sheet, Sprite, moved, oval

BODY_UNITS = 700
"""Height of the body's sheet."""
SEEN_UNITS = 460
"""From the top of the head to the body's anchor, where a webcam's picture ends."""
_NECK = (260.0, 72.0)
_SKINS = ((196, 214, 240), (170, 194, 232), (132, 168, 214), (96, 130, 184), (62, 88, 134))
_HAIRS = ((28, 30, 38), (34, 48, 74), (52, 84, 124), (96, 142, 186), (44, 70, 140), (168, 170, 174))


@dataclass(frozen=True, slots=True)
class Sitter:
    """A person's parts, all at one scale."""

    body: Sprite
    """The anchor is where a webcam's picture ends, SEEN_UNITS below the top of the head."""
    heads: tuple[Sprite, ...]
    """With the mouth shut, half open and open. The anchor is in the neck."""
    neck: tuple[float, float]
    """Where the head's anchor goes, in the body's pixels."""
    upper_arm: Sprite
    """Hanging down; the anchor is in the shoulder."""
    forearm: Sprite
    """Pointing up, with its hand; the anchor is the elbow."""
    shoulders: tuple[tuple[float, float], tuple[float, float]]
    """Left and right in the picture, in the body's pixels."""
    elbow: tuple[float, float]
    """In the upper arm's pixels."""


@dataclass(frozen=True, slots=True)
class _Looks:
    """What distinguishes one person from another."""

    skin: Colour
    hair: Colour
    cloth: Colour
    shoulder: float
    """Half the width of the shoulders."""
    mane: float
    """How far hair falls below the middle of the head; 0: short hair."""
    fringe: float
    """How far hair falls into the forehead."""
    glasses: bool
    beard: bool
    collar: bool
    striped: bool


def sitter(scale: float, random: np.random.Generator, waving: bool = False) -> Sitter:
    """Draw a person at *scale* pixels per unit. If *waving*, the body itself has no arms."""
    looks = _chosen(random)
    shoulders = tuple(
        ((260 + side * (looks.shoulder - 34)) * scale, 160 * scale) for side in (-1, 1)
    )
    return Sitter(
        body=_body(scale, looks, random, waving),
        heads=_heads(scale, looks, random),
        neck=(_NECK[0] * scale, _NECK[1] * scale),
        upper_arm=_upper_arm(scale, looks, random),
        forearm=_forearm(scale, looks, random),
        shoulders=(shoulders[0], shoulders[1]),
        elbow=(60 * scale, 232 * scale),
    )


def _chosen(random: np.random.Generator) -> _Looks:
    tone = random.uniform(0.94, 1.04)
    blue, green, red = _SKINS[random.integers(len(_SKINS))]
    hue, vivid, bright = (
        random.uniform(0.5, 1.15) % 1,
        random.uniform(0.15, 0.75),
        random.uniform(0.3, 0.85),
    )
    cloth = [255 * part for part in colorsys.hsv_to_rgb(hue, vivid, bright)]
    long_hair = random.random() < 0.5
    return _Looks(
        skin=(blue * tone, green * tone, red * tone),
        hair=_HAIRS[random.integers(len(_HAIRS))],
        cloth=(cloth[2], cloth[1], cloth[0]),
        shoulder=random.uniform(134, 168),
        mane=random.uniform(95, 190) if long_hair else 0.0,
        fringe=random.uniform(-6, 12),
        glasses=random.random() < 0.4,
        beard=not long_hair and random.random() < 0.4,
        collar=random.random() < 0.5,
        striped=random.random() < 0.3,
    )


def _body(scale: float, looks: _Looks, random: np.random.Generator, waving: bool) -> Sprite:
    sheet = Sheet.blank(520, BODY_UNITS, scale)
    wide, dark = looks.shoulder, _darker(looks.cloth, 0.72)
    half = [
        (36, 70), (58, 86), (98, 104), (wide - 22, 126), (wide - 2, 164), (wide - 10, 220),
        (wide - 34, 300), (wide - 36, 420), (wide - 22, 560), (wide - 20, 720),
    ]  # fmt: skip
    sheet.solid(_mirrored(half, 260), looks.cloth, 62)
    if looks.striped:
        for row in range(176, 700, 44):
            sheet.tint(_band(260, row, wide - 40, 12), _darker(looks.cloth, 0.62), 0.8, 1.0)
    for _ in range(9):
        x, y = random.uniform(-0.6, 0.6) * wide + 260, random.uniform(190, 560)
        lean, long = random.uniform(-30, 30), random.uniform(24, 60)
        fold = np.array([(x, y), (x + lean + 5, y + long / 2), (x + 2 * lean, y + long)])
        sheet.tint(np.vstack([fold, moved(fold[::-1], 7, 3)]), dark, 0.6, 4.0)
    if not waving:
        for side in (-1, 1):
            arm = _sleeve((-6, 166), (8, 310), (-24, 470), (37, 36, 32))
            placed = arm * (side, 1) + (260 + side * (wide - 26), 0)
            sheet.tint(placed - (side * 9, 0), _darker(looks.cloth, 0.45), 0.55, 6.0)
            sheet.solid(placed, looks.cloth, 40)
    if looks.collar:
        sheet.tint(_band(260, 330, 3, 260), dark, 0.7, 1.0)
    sheet.grain(random, 4)
    return sheet.sprite((260, SEEN_UNITS - 150))


def _heads(scale: float, looks: _Looks, random: np.random.Generator) -> tuple[Sprite, ...]:
    """The heads, each drawn about (180, 150) on a sheet of 360 by 400 units."""
    sheet = Sheet.blank(360, 400, scale)
    middle = np.array([180.0, 150.0])
    _mane(sheet, looks, random)
    neck = [(37, 40), (37, 90), (48, 116), (32, 134), (0, 150)]
    sheet.solid(moved(_mirrored(neck, 180), 0, 150), _darker(looks.skin, 0.92), 34)
    sheet.tint(oval(180, 238, 46, 26), _darker(looks.skin, 0.55), 0.6, 7.0)
    for side in (-1, 1):
        sheet.solid(oval(180 + side * 64, 154, 10, 20), _darker(looks.skin, 0.95), 9)
    face = [(0, -88), (36, -80), (58, -46), (63, -4), (58, 36), (38, 72), (14, 88)]
    sheet.solid(moved(_mirrored(face, 180), 0, 150), looks.skin, 54)
    for side in (-1, 1):
        sheet.tint(oval(180 + side * 38, 182, 16, 11), _ruddy(looks.skin), 0.4, 6.0)
    if looks.beard:
        beard = [(0, 40), (30, 34), (59, 14), (56, 44), (38, 76), (0, 92)]
        sheet.tint(moved(_mirrored(beard, 180), 0, 150), looks.hair, 0.75, 4.0)
    _features(sheet, looks, random)
    fringe = np.array([(54, -34), (26, -56), (-8, -60), (-38, -54), (-56, -30)], float)
    crown = np.array(
        [(-60, 2), (-72, -4), (-73, -48), (-48, -92), (0, -107), (48, -92), (73, -48), (72, -4),
         (60, 2)], float,
    )  # fmt: skip
    crown = np.vstack([crown, moved(fringe, 0, looks.fringe)]) + middle
    sheet.tint(moved(crown, 0, 5), _darker(looks.skin, 0.6), 0.5, 4.0)
    sheet.solid(crown, looks.hair, 26)
    bright = _lighter(looks.hair, 36)
    sheet.grain(random, 4)
    strands = (_whole(looks.hair), _whole(bright))
    sheet.hair((180, 126), (72, 84), (-205, 25), 170, random, strands, (0.06, 0.3))
    plain = sheet.colours.copy()
    heads = []
    for gape in (0.0, 0.5, 1.0):
        sheet.colours = plain.copy()
        _mouth(sheet, looks, gape)
        heads.append(sheet.sprite((180, 262)))
    return tuple(heads)


def _mane(sheet: Sheet, looks: _Looks, random: np.random.Generator) -> None:
    """Hair behind the head and beside the neck."""
    if not looks.mane:
        return
    end = 150 + looks.mane
    back = [(0, 60), (62, 90), (80, 150), (84, 200), (82, end), (58, end + 12), (40, end - 8)]
    inner = [(40, 240), (30, 226), (0, 220)]
    sheet.solid(_mirrored([*back, *inner], 180), looks.hair, 30)
    bright = _lighter(looks.hair, 30)
    for side in (-1, 1):
        sheet.hair(
            (180 + side * 62, end - 20), (22, 30), (50, 130), 40, random,
            (_whole(looks.hair), _whole(bright)),
        )  # fmt: skip


def _features(sheet: Sheet, looks: _Looks, random: np.random.Generator) -> None:
    """Eyes, brows, nose, glasses."""
    skin = looks.skin
    iris = ((60, 80, 110), (120, 110, 80), (40, 50, 70))[random.integers(3)]
    for side in (-1, 1):
        x = 180 + side * 25
        sheet.tint(oval(x, 143, 18, 12), _darker(skin, 0.72), 0.55, 4.0)
        sheet.tint(oval(x, 146, 12, 5.6), (228, 232, 236), 1.0, 0.8)
        sheet.tint(oval(x, 145.5, 5.8, 5.6), iris, 1.0, 0.6)
        sheet.tint(oval(x, 145.5, 2.8, 2.8), (14, 14, 16), 1.0, 0.5)
        sheet.tint(oval(x - 1.8, 143.6, 1.2, 1.2), (250, 250, 250), 1.0, 0.4)
        lid = np.array([(x - 14, 146), (x, 139), (x + 14, 145), (x, 141.5)], float)
        sheet.tint(lid, _darker(skin, 0.3), 0.9, 0.8)
        brow = np.array(
            [(x - 17, 129 + side * -1), (x, 123), (x + 17, 129 + side), (x, 128)], float
        )
        sheet.tint(brow, _darker(looks.hair, 0.8), 0.85, 1.2)
    sheet.tint(oval(186, 166, 6, 22), _darker(skin, 0.72), 0.45, 4.0)
    sheet.tint(oval(178, 164, 4, 20), _lighter(skin, 28), 0.5, 3.0)
    sheet.tint(oval(180, 183, 12, 5), _darker(skin, 0.6), 0.5, 3.0)
    for side in (-1, 1):
        sheet.tint(oval(180 + side * 6, 184, 3.2, 1.8), _darker(skin, 0.32), 0.8, 1.0)
        if looks.glasses:
            rim = oval(180 + side * 27, 147, 22, 17)
            sheet.tint(rim, (235, 228, 222), 0.14, 1.0)
            _line(sheet, np.vstack([rim, rim[:1]]), 1.5)
            _line(sheet, np.array([(180 + side * 49, 142), (180 + side * 64, 140)], float), 1.5)
    if looks.glasses:
        _line(sheet, np.array([(175, 143), (180, 141), (185, 143)], float), 1.5)


def _mouth(sheet: Sheet, looks: _Looks, gape: float) -> None:
    lips = _ruddy(_darker(looks.skin, 0.82))
    sheet.tint(oval(180, 203 + 2 * gape, 23 - 3 * gape, 5.5 + 6 * gape), lips, 0.9, 1.6)
    sheet.tint(oval(180, 203 + 2 * gape, 20 - 4 * gape, 1.1 + 5 * gape), (40, 30, 70), 0.85, 0.9)
    if gape:
        sheet.tint(oval(180, 201 - 0.5 * gape, 13, 1 + gape), (215, 222, 226), 0.9, 0.8)


def _upper_arm(scale: float, looks: _Looks, random: np.random.Generator) -> Sprite:
    sheet = Sheet.blank(120, 290, scale)
    sheet.solid(_sleeve((60, 50), (60, 150), (60, 235), (42, 38, 33)), looks.cloth, 36)
    sheet.grain(random, 4)
    return sheet.sprite((60, 50))


def _forearm(scale: float, looks: _Looks, random: np.random.Generator) -> Sprite:
    """A sleeve to the middle of the forearm, then skin, and an open hand."""
    sheet = Sheet.blank(160, 370, scale)
    for tip, root, thick in (
        ((50, 60), (58, 108), 9), ((70, 42), (72, 104), 9.5), ((90, 44), (86, 104), 9.5),
        ((108, 62), (98, 110), 8.5), ((28, 112), (62, 150), 10),
    ):  # fmt: skip
        middle = ((tip[0] + root[0]) / 2, (tip[1] + root[1]) / 2)
        sheet.solid(_sleeve(tip, middle, root, (thick * 0.85, thick, thick)), looks.skin, 9)
    sheet.solid(_sleeve((78, 118), (79, 145), (80, 168), (29, 31, 22)), looks.skin, 22)
    sheet.solid(_sleeve((80, 170), (80, 240), (80, 320), (21, 28, 31)), looks.skin, 26)
    sheet.solid(_sleeve((80, 250), (80, 280), (80, 325), (31, 33, 34)), looks.cloth, 30)
    sheet.grain(random, 4)
    return sheet.sprite((80, 322))


def _sleeve(
    start: tuple[float, float],
    middle: tuple[float, float],
    end: tuple[float, float],
    radii: tuple[float, float, float],
) -> Points:
    """The outline of a limb through three points, round at both ends."""
    spine = np.array([start, middle, end], float)
    along = np.gradient(spine, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * np.array(radii)[:, None]
    first, last = spine[0] - along[0] * radii[0], spine[2] + along[2] * radii[2]
    return np.vstack([first, spine + across, last, (spine - across)[::-1]])


def _mirrored(half: Sequence[tuple[float, float]], middle: float) -> Points:
    """A closed outline: *half*, given to the right of the axis, and its mirror image."""
    right = np.array(half, float)
    left = right[::-1] * (-1, 1)
    both = np.vstack([right, left[left[:, 0] != 0]])
    return moved(both, middle, 0)


def _band(x: float, y: float, wide: float, tall: float) -> Points:
    """A bar with rounded corners, given its centre and half its sides."""
    return np.array(
        [(x - wide, y - tall), (x, y - tall), (x + wide, y - tall), (x + wide, y + tall),
         (x, y + tall), (x - wide, y + tall)], float,
    )  # fmt: skip


def _line(sheet: Sheet, points: Points, wide: float) -> None:
    """Draw a dark line on the opaque parts."""
    for a, b in pairwise(points):
        way = (b - a) / max(float(np.linalg.norm(b - a)), 1e-6)
        side = np.array([-way[1], way[0]]) * wide
        sheet.tint(np.array([a + side, b + side, b - side, a - side]), (28, 26, 26), 0.9, 0.5)


def _darker(colour: Colour, part: float) -> Colour:
    return colour[0] * part, colour[1] * part, colour[2] * part


def _lighter(colour: Colour, levels: float) -> Colour:
    return min(colour[0] + levels, 255), min(colour[1] + levels, 255), min(colour[2] + levels, 255)


def _ruddy(colour: Colour) -> Colour:
    return colour[0] * 0.8, colour[1] * 0.76, colour[2] * 1.02


def _whole(colour: Colour) -> tuple[int, int, int]:
    return round(colour[0]), round(colour[1]), round(colour[2])
