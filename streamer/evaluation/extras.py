"""Sprites that move in the background of truth clips; none of them counts in the alpha."""

from __future__ import annotations

import math

import cv2
import numpy as np

from streamer.evaluation.drawing import Sheet, Sprite, moved, oval
from streamer.evaluation.pictures import clouds, photograph

Loop = tuple[Sprite, ...]
"""The phases of a movement that repeats, all of one size and with one anchor."""


def car(scale: float, random: np.random.Generator) -> Loop:
    """A car in side view, 200 by 80 units; the anchor is between its wheels, on the road."""
    paint = tuple(random.uniform(30, 220, 3))
    body = [(4, 62), (6, 42), (46, 34), (70, 10), (130, 10), (158, 36), (194, 44), (196, 62)]
    sheet = Sheet.blank(200, 80, scale)
    sheet.solid(np.array(body, float), (paint[0], paint[1], paint[2]), 12)
    for glass in (
        [(56, 34), (74, 16), (98, 16), (98, 34)],
        [(104, 34), (104, 16), (128, 16), (146, 34)],
    ):
        sheet.tint(np.array(glass, float), (84, 74, 66), 0.9, 1.0)
    for x in (46, 154):
        sheet.solid(oval(x, 62, 16, 16), (36, 36, 38), 6)
        sheet.tint(oval(x, 62, 8, 8), (150, 150, 150), 0.9, 1.0)
    return (_blurred(sheet.sprite((100, 78)), 1.2 * scale),)


def cyclist(scale: float, random: np.random.Generator) -> Loop:
    """Somebody on a bicycle, 160 by 190 units, in eight phases; the anchor is on the road."""
    cloth, trousers = _dress(random)
    phases = []
    for step in range(8):
        turn = 2 * math.pi * step / 8
        sheet = Sheet.blank(160, 190, scale)
        for x in (36, 124):
            ring = [(x + 30 * math.cos(a), 154 + 30 * math.sin(a)) for a in np.linspace(0, 6.3, 20)]
            sheet.limb(ring, 2.5, (40, 40, 42))
        sheet.limb([(36, 154), (62, 104), (112, 108), (124, 154)], 2.5, (60, 50, 120))
        for side in (0.0, math.pi):
            foot = (76 + 14 * math.cos(turn + side), 152 + 14 * math.sin(turn + side))
            sheet.limb([(62, 98), (92, (98 + foot[1]) / 2 - 6), foot], 8, trousers)
        sheet.limb([(62, 96), (84, 52)], 16, cloth)
        sheet.limb([(86, 54), (106, 84), (114, 92)], 6, cloth)
        sheet.ellipse((92, 24), (12, 15), (140, 172, 216))
        sheet.ellipse((91, 17), (14, 11), cloth)
        phases.append(_blurred(sheet.sprite((80, 186)), 1.4 * scale))
    return tuple(phases)


def walker(scale: float, random: np.random.Generator) -> Loop:
    """Somebody far away who walks, 90 by 190 units, in eight phases; the anchor is on the road."""
    cloth, trousers = _dress(random)
    phases = []
    for step in range(8):
        swing = 24 * math.sin(2 * math.pi * step / 8)
        sheet = Sheet.blank(90, 190, scale)
        for side in (-1, 1):
            sheet.limb(
                [(45, 100), (45 + side * swing * 0.6, 140), (45 + side * swing, 180)], 8, trousers
            )
        sheet.limb([(45, 48), (45, 100)], 17, cloth)
        sheet.limb([(45, 50), (45 + swing * 0.6, 96)], 6, cloth)
        sheet.ellipse((45, 19), (12, 15), (140, 172, 216))
        sheet.ellipse((44, 13), (13, 10), (40, 50, 70))
        phases.append(_blurred(sheet.sprite((45, 186)), 2.0 * scale))
    return tuple(phases)


def branch(scale: float, random: np.random.Generator) -> Loop:
    """A branch with leaves, 240 by 160 units, to sway in the wind; the anchor is its thick end."""
    sheet = Sheet.blank(240, 160, scale)
    sheet.limb([(0, 30), (120, 60), (220, 120)], 3, (50, 70, 90))
    for _ in range(70):
        t = random.uniform(0.1, 1)
        x, y = 220 * t + random.normal(0, 14), 30 + 80 * t + random.normal(0, 20)
        green = np.array((50, 140, 100)) * random.uniform(0.6, 1.4)
        leaf = oval(x, y, random.uniform(6, 12), random.uniform(4, 8))
        sheet.solid(leaf, (green[0], green[1], green[2]), 4)
    return (_blurred(sheet.sprite((4, 30)), 1.6 * scale),)


def chair(scale: float, random: np.random.Generator) -> Loop:
    """An office chair that turns, 160 by 260 units, in 24 phases; the anchor is on the floor."""
    colour = tuple(np.array((60, 56, 52)) * random.uniform(0.7, 1.8))
    phases = []
    for step in range(24):
        angle = 2 * math.pi * step / 24
        face, side = math.cos(angle), math.sin(angle)
        back_at, wide = 80 - 34 * side, 12 + 40 * abs(face)
        sheet = Sheet.blank(160, 260, scale)
        for leg in range(5):
            way = angle + 2 * math.pi * leg / 5
            sheet.limb(
                [(80, 222), (80 + 56 * math.cos(way), 240 + 10 * math.sin(way))], 5, (40, 40, 42)
            )
        sheet.limb([(80, 160), (80, 224)], 6, (60, 60, 62))
        sheet.limb([(back_at, 96), (back_at, 150), (80, 158)], 5, (60, 60, 62))
        back = np.array(
            [(-wide, 8), (0, 2), (wide, 8), (wide * 0.9, 100), (0, 112), (-wide * 0.9, 100)]
        )
        shapes = [moved(back, back_at, 4), oval(80, 152, 54, 18)]
        # Its back is behind the seat while it faces us, and before it when it has turned away.
        for shape in shapes if face > 0 else shapes[::-1]:
            sheet.solid(shape, (colour[0], colour[1], colour[2]), 11)
        phases.append(_blurred(sheet.sprite((80, 252)), 0.8 * scale))
    return tuple(phases)


def screen(scale: float, random: np.random.Generator) -> Loop:
    """A monitor on its foot, 200 by 160 units, with eight pictures; the anchor is its foot."""
    phases = []
    for step in range(8):
        sheet = Sheet.blank(200, 160, scale)
        sheet.limb([(100, 120), (100, 150)], 8, (50, 50, 52))
        sheet.limb([(70, 154), (130, 154)], 4, (50, 50, 52))
        sheet.shape(np.array([(2, 2), (198, 2), (198, 124), (2, 124)], float), (34, 34, 36))
        place = np.s_[
            round(7 * sheet.zoom) : round(119 * sheet.zoom),
            round(7 * sheet.zoom) : round(193 * sheet.zoom),
        ]
        shown = sheet.colours[place]
        shown[:] = _picture(shown.shape[1], shown.shape[0], step, random)
        phases.append(_blurred(sheet.sprite((100, 156)), 0.8 * scale))
    return tuple(phases)


def _picture(width: int, height: int, step: int, random: np.random.Generator) -> np.ndarray:
    """What a monitor shows: a photograph, a page of text, or colours."""
    shown = photograph(("chelsea.png", "coffee.png", "rocket.jpg")[step % 3]) if step % 2 else None
    if shown is not None:
        return np.asarray(cv2.resize(shown, (width, height), interpolation=cv2.INTER_AREA))
    if step % 4 == 0:
        page = np.full((height, width, 3), 236, np.uint8)
        for line in range(12):
            y = round((line + 1) * height / 14)
            end = round(width * random.uniform(0.4, 0.92))
            page[y : y + max(1, height // 40), width // 14 : end] = (90, 84, 80)
        return page
    colours = clouds(width, height, random, 3).astype(np.float32) - 128
    return np.clip(colours * 1.6 + random.uniform(30, 220, 3), 0, 255).astype(np.uint8)


def _dress(random: np.random.Generator) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    first, second = random.integers(30, 210, (2, 3)) // (1, 1, 1)
    dark = second // 2
    return (
        (int(first[0]), int(first[1]), int(first[2])),
        (int(dark[0]), int(dark[1]), int(dark[2])),
    )


def _blurred(sprite: Sprite, sigma: float) -> Sprite:
    """*sprite* out of focus, with a margin for the blur."""
    room = math.ceil(3 * sigma)
    wide = cv2.copyMakeBorder(sprite.lit, room, room, room, room, cv2.BORDER_CONSTANT)
    soft = cv2.GaussianBlur(wide, (0, 0), max(sigma, 0.3))
    x, y = sprite.anchor
    return Sprite(np.asarray(soft, np.uint8), (x + room, y + room))
