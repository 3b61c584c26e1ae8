"""Drawn outdoor backdrops, far away and out of focus."""

from __future__ import annotations

import cv2
import numpy as np

from streamer.evaluation.pictures import clouds
from streamer.frame import Image


def street(width: int, height: int, random: np.random.Generator) -> Image:
    """A row of houses with windows and shops, and a pavement and a road before them."""
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = np.linspace((232, 214, 196), (240, 234, 226), height)[:, None]
    foot, x = round(0.62 * height), 0
    while x < width:
        wide = round(height * random.uniform(0.3, 0.55))
        roof = round(height * random.uniform(0.02, 0.24))
        _house(picture[roof:foot, x : x + wide], random)
        x += wide
    kerb = round(0.68 * height)
    picture[foot:kerb] = (150, 156, 160)
    rough = clouds(width, height - kerb, random, 20).astype(np.float32) - 128
    picture[kerb:] = (92, 92, 94) + 0.15 * rough
    picture[kerb : kerb + height // 120] = (178, 182, 184)
    dash = (np.arange(width) // max(height // 12, 1)) % 2 == 0
    lane = round(0.8 * height)
    picture[lane : lane + height // 90, dash] = (206, 208, 208)
    return _far(picture, random)


def park(width: int, height: int, random: np.random.Generator) -> Image:
    """A lawn and a path before a row of trees."""
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = np.linspace((236, 216, 192), (244, 236, 226), height)[:, None]
    edge = round(0.58 * height)
    leaves = clouds(width, edge, random, 9).astype(np.float32) - 128
    tops = cv2.GaussianBlur(clouds(width, 8, random, 7).astype(np.float32), (0, 0), 3)[4, :, 0]
    crown = (0.16 + (tops - 128) / 400)[None, :] * height < np.arange(edge)[:, None]
    share = cv2.GaussianBlur(crown.astype(np.float32), (0, 0), height / 60)[..., None]
    depth = np.linspace(1.15, 0.6, edge)[:, None, None]
    wood = (np.array((58, 116, 92)) * random.uniform(0.8, 1.2) + 0.8 * leaves) * depth
    picture[:edge] = share * wood + (1 - share) * picture[:edge]
    grass = clouds(width, height - edge, random, 30).astype(np.float32) - 128
    picture[edge:] = (74, 146, 116) + 0.25 * grass
    picture[round(0.66 * height) : round(0.76 * height)] = (150, 172, 184)
    return _far(picture, random)


def _house(part: np.ndarray, random: np.random.Generator) -> None:
    tall, wide = part.shape[:2]
    if wide < 4 or tall < 8:
        part[:] = (140, 150, 160)
        return
    wall = np.array((150, 168, 188)) * random.uniform(0.6, 1.15) + random.uniform(-12, 12, 3)
    part[:] = wall
    part[: max(1, tall // 40)] = wall * 0.7
    floors, columns = max(2, round(tall / wide * 3)), 3
    for floor in range(floors):
        for column in range(columns):
            x = round((column + 0.28) * wide / columns)
            y = round((floor + 0.25) * tall / floors)
            size = (round(0.55 * tall / floors), round(0.44 * wide / columns))
            if floor == floors - 1:
                size = (round(0.75 * tall / floors), round(0.7 * wide / columns))
            glass = np.array((96, 84, 74)) * random.uniform(0.6, 1.9)
            part[y - 2 : y + size[0] + 2, x - 2 : x + size[1] + 2] = wall * 1.15
            part[y : y + size[0], x : x + size[1]] = glass


def _far(picture: np.ndarray, random: np.random.Generator) -> Image:
    soft = cv2.GaussianBlur(picture, (0, 0), picture.shape[0] / random.uniform(140, 280))
    return np.asarray(np.clip(np.rint(soft), 0, 255), np.uint8)
