"""Thin things, drawn with exact alpha: where a matte breaks first."""

from __future__ import annotations

import math

import numpy as np

from streamer.evaluation.drawing import Sheet, Sprite


def bench(height: int, random: np.random.Generator) -> Sprite:
    """A garden bench of thin slats with gaps between; the anchor is the middle of its feet."""
    sheet = Sheet.of(np.zeros((240, 360, 3), np.uint8), height)
    wood = tuple(int(part) for part in np.array((60, 96, 150)) * random.uniform(0.7, 1.3))
    iron = (44, 46, 50)
    for x in (40, 320):
        sheet.limb([(x - 4, 14), (x, 130), (x + 2, 232)], 5, iron)
        sheet.limb([(x, 142), (x + (14 if x < 180 else -14), 232)], 4, iron)
    for row in range(7):
        y = 22 + 16 * row
        sheet.limb([(24, y), (336, y + 2)], 3.5, (wood[0], wood[1], wood[2]))
    for row in range(3):
        y = 140 + 10 * row
        sheet.limb([(18, y), (342, y)], 3, (wood[0], wood[1], wood[2]))
    sheet.grain(random, 10)
    return sheet.sprite((180, 238))


def umbrella(height: int, random: np.random.Generator) -> Sprite:
    """An open umbrella with its thin stick and hook; the anchor is the middle of the stick."""
    sheet = Sheet.of(np.zeros((400, 400, 3), np.uint8), height)
    first, second = (
        (int(b), int(g), int(r)) for b, g, r in random.integers(40, 220, (2, 3)).tolist()
    )
    sheet.limb([(200, 20), (200, 352)], 3, (50, 52, 56))
    hook = [(200 + 22 - 22 * math.cos(a), 352 + 26 * math.sin(a)) for a in np.linspace(0, 3, 14)]
    sheet.limb(hook, 4, (40, 60, 100))
    for part in range(6):
        left, right = -180 + 60 * part, -120 + 60 * part
        rim = [(200 + x, 190 - 10 * math.sin((x - left) / 60 * math.pi)) for x in (left, right)]
        middle = (200 + (left + right) / 2, 180)
        top = [(200 + x * 0.55, 62 + abs(x) * 0.16) for x in (right, left)]
        panel = np.array([rim[0], middle, rim[1], top[0], (200, 28), top[1]])
        sheet.shape(panel, first if part % 2 else second)
    sheet.grain(random, 8)
    return sheet.sprite((200, 200))


def bicycle(height: int, random: np.random.Generator) -> Sprite:
    """A bicycle with thin tyres and spokes; the anchor is between its wheels, on the road."""
    sheet = Sheet.of(np.zeros((260, 400, 3), np.uint8), height)
    paint = tuple(int(part) for part in random.integers(40, 210, 3))
    for x in (90, 310):
        for spoke in range(10):
            angle = 2 * math.pi * spoke / 10
            way = (x + 74 * math.cos(angle), 176 + 74 * math.sin(angle))
            sheet.limb([(x, 176), way], 0.8, (150, 150, 154))
        ring = [(x + 76 * math.cos(a), 176 + 76 * math.sin(a)) for a in np.linspace(0, 6.3, 60)]
        sheet.limb(ring, 3.5, (36, 36, 38))
        sheet.ellipse((x, 176), (8, 8), (90, 90, 94))
    frame = (paint[0], paint[1], paint[2])
    for joints in (
        [(90, 176), (150, 80), (270, 76)],
        [(90, 176), (186, 180), (150, 80)],
        [(186, 180), (268, 84)],
        [(262, 52), (274, 96), (310, 176)],
    ):
        sheet.limb(joints, 4, frame)
    sheet.limb([(148, 80), (142, 54)], 3.5, (60, 60, 64))
    sheet.limb([(120, 52), (166, 50)], 6, (40, 42, 48))
    sheet.limb([(262, 52), (290, 40), (300, 52)], 4, (40, 42, 48))
    sheet.ellipse((186, 180), (16, 16), (70, 70, 74))
    sheet.limb([(186, 180), (198, 214), (212, 214)], 3, (70, 70, 74))
    return sheet.sprite((200, 256))
