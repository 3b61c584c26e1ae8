"""Drawing with exact alpha: shaded shapes, outlines, and strands finer than a pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.evaluation.pictures import clouds
from streamer.frame import Image

Points = NDArray[np.float64]
"""(n, 2): x and y."""

Colour = tuple[float, float, float]
"""Blue, green and red in [0, 255]."""


@dataclass(frozen=True, slots=True)
class Sprite:
    """A subject in its own pixels, ready to be warped into a frame."""

    lit: NDArray[np.uint8]
    """(H, W, 4) uint8: BGR already weighted by alpha, and alpha."""
    anchor: tuple[float, float]
    """The point (x, y) that a pose places."""


class Sheet:
    """
    Colours and alpha, drawn at twice the size of the sprite that it becomes.

    Args:
        colours: (H, W, 3) uint8 BGR; the sheet draws on this array.
        zoom: pixels per unit; all places and lengths are given in units.

    Nothing is opaque at first.
    """

    def __init__(self, colours: Image, zoom: float) -> None:
        self.colours = colours
        self.zoom = zoom
        self.alpha: NDArray[np.uint8] = np.zeros(colours.shape[:2], np.uint8)

    @classmethod
    def of(cls, picture: Image, height: int) -> Sheet:
        """A sheet with *picture* on it for a sprite *height* pixels tall; nothing is opaque yet."""
        zoom = 2 * height / picture.shape[0]
        size = (max(2, round(picture.shape[1] * zoom)), 2 * height)
        large = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
        return cls(large.astype(np.uint8, copy=False), zoom)

    @classmethod
    def blank(cls, width: float, height: float, scale: float) -> Sheet:
        """A sheet of *width* by *height* units for a sprite with *scale* pixels in each."""
        shape = (2 * round(height * scale), 2 * round(width * scale), 3)
        return cls(np.zeros(shape, np.uint8), 2 * scale)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.alpha.shape[1], self.alpha.shape[0]

    def outline(self, points: Points) -> None:
        """Make opaque what is within a closed smooth line through *points*."""
        cv2.fillPoly(self.alpha, [self._fixed(_rounded(points))], (255,), cv2.LINE_AA, 4)
        self.alpha = cv2.GaussianBlur(self.alpha, (0, 0), 0.7 * self.zoom).astype(np.uint8)

    def ellipse(
        self, centre: tuple[float, float], axes: tuple[float, float], colour: tuple[int, int, int]
    ) -> None:
        """Draw a shaded ellipse."""
        angles = np.linspace(0, 2 * math.pi, 160, endpoint=False)
        rim = np.stack([np.cos(angles) * axes[0], np.sin(angles) * axes[1]], axis=1)
        self._shaded([self._fixed(rim + centre)], centre, max(axes), colour)

    def shape(self, points: Points, colour: tuple[int, int, int]) -> None:
        """Draw a shaded polygon."""
        middle = points.mean(axis=0)
        reach = float(np.ptp(points))
        self._shaded([self._fixed(points)], (float(middle[0]), float(middle[1])), reach, colour)

    def limb(
        self, joints: Sequence[tuple[float, float]], radius: float, colour: tuple[int, int, int]
    ) -> None:
        """Draw a line *radius* thick to each side, round at its ends and joints."""
        mask = np.zeros_like(self.alpha)
        line = self._fixed(np.array(joints))
        cv2.polylines(
            mask, [line], False, (255,), max(1, round(2 * radius * self.zoom)), cv2.LINE_AA, 4
        )
        middle = np.mean(np.array(joints), axis=0)
        self._shade(mask, (float(middle[0]), float(middle[1])), 3 * radius, colour)

    def solid(self, points: Points, colour: Colour, bulge: float) -> None:
        """Draw a body within a smooth line through *points*, its rim rounded off over *bulge*."""
        outline = _rounded(points)
        place = self._place(outline, 1)
        if not self.alpha[place].size:
            return
        mask = self._filled(outline, place)
        inside = cv2.distanceTransform(
            cv2.copyMakeBorder((mask > 127).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT),
            cv2.DIST_L2,
            5,
        )[1:-1, 1:-1]
        rise = np.minimum(inside / (bulge * self.zoom), 1)
        dome = cv2.GaussianBlur(np.sqrt(1 - (1 - rise) ** 2), (0, 0), bulge * self.zoom / 6)
        slope_x = cv2.Sobel(dome, cv2.CV_32F, 1, 0) * (bulge * self.zoom / 8)
        slope_y = cv2.Sobel(dome, cv2.CV_32F, 0, 1) * (bulge * self.zoom / 8)
        facing = (0.55 - 0.35 * -slope_x - 0.5 * -slope_y) / np.sqrt(1 + slope_x**2 + slope_y**2)
        light = np.clip(0.56 + 0.8 * facing, 0.4, 1.25)
        self._lay(mask, light[..., None] * np.array(colour, np.float32), place)

    def tint(
        self, points: Points, colour: Colour, strength: float = 1.0, blur: float = 0.5
    ) -> None:
        """Colour what is opaque within a smooth line through *points*, with a blurred edge."""
        outline = _rounded(points)
        place = self._place(outline, 3 * blur)
        if not self.alpha[place].size:
            return
        mask = cv2.GaussianBlur(self._filled(outline, place), (0, 0), blur * self.zoom)
        part = mask.astype(np.float32)[..., None] * (strength / 255)
        colours = self.colours[place]
        colours[:] = colours * (1 - part) + np.array(colour, np.float32) * part

    def hair(
        self,
        centre: tuple[float, float],
        radii: tuple[float, float],
        degrees: tuple[float, float],
        count: int,
        random: np.random.Generator,
        colours: tuple[tuple[int, int, int], tuple[int, int, int]],
        lengths: tuple[float, float] = (0.25, 0.6),
    ) -> None:
        """
        Draw *count* bent strands that leave an ellipse between two angles; *lengths* is how far
        the shortest and the longest reach, in mean radii.

        They are half a pixel to one and a half pixels of the sprite wide, so their alpha is
        partial nearly everywhere.
        """
        first, last = np.array(colours)
        for angle in np.radians(random.uniform(*degrees, count)):
            out = np.array([math.cos(angle), math.sin(angle)])
            root = np.array(centre) + out * radii * random.uniform(0.8, 0.95)
            reach = float(np.mean(radii)) * random.uniform(*lengths)
            side = np.array([-out[1], out[0]]) * reach * random.uniform(-0.7, 0.7)
            fall = np.array([0, reach * random.uniform(0, 0.6)])
            t = np.linspace(0, 1, 12)[:, None]
            curve = root + out * reach * t + (side + fall) * t**2
            width = 1 + int(random.integers(0, 3))
            self._strand(curve, width, first + (last - first) * random.uniform(0, 1))

    def grain(self, random: np.random.Generator, strength: int) -> None:
        """Add a texture like that of cloth or skin."""
        coarse = clouds(self.size[0] // 4, self.size[1] // 4, random, 24)
        texture = cv2.resize(coarse, self.size, interpolation=cv2.INTER_CUBIC).astype(np.float32)
        grained = self.colours + (texture - 128) * (strength / 40)
        self.colours = np.clip(grained, 0, 255).astype(np.uint8)

    def sprite(self, anchor: tuple[float, float]) -> Sprite:
        """Shrink to the sprite's size."""
        alpha = self.alpha[..., None].astype(np.float32)
        lit = np.concatenate([self.colours * (alpha / 255), alpha], axis=2)
        small = cv2.resize(
            lit, (self.size[0] // 2, self.size[1] // 2), interpolation=cv2.INTER_AREA
        )
        scale = self.zoom / 2
        return Sprite(np.rint(small).astype(np.uint8), (anchor[0] * scale, anchor[1] * scale))

    def _strand(self, curve: Points, width: int, colour: NDArray[np.floating]) -> None:
        """Draw a line, on a small mask of its own because there are many."""
        corner = np.maximum(np.floor(curve.min(axis=0) * self.zoom).astype(int) - 4, 0)
        end = np.ceil(curve.max(axis=0) * self.zoom).astype(int) + 5
        place = np.s_[corner[1] : end[1], corner[0] : end[0]]
        mask = np.zeros_like(self.alpha[place])
        line = self._fixed(curve) - (corner * 16).astype(np.int32)
        cv2.polylines(mask, [line], False, (255,), width, cv2.LINE_AA, 4)
        self._lay(mask, colour, place)

    def _place(self, outline: Points, margin: float) -> tuple[slice, ...]:
        """The part of the sheet around an outline."""
        corner = np.floor((outline.min(axis=0) - margin) * self.zoom).astype(int)
        end = np.ceil((outline.max(axis=0) + margin) * self.zoom).astype(int) + 1
        (left, top), (right, bottom) = np.clip([corner, end], 0, self.size)
        return np.s_[top:bottom, left:right]

    def _filled(self, outline: Points, place: tuple[slice, ...]) -> NDArray[np.uint8]:
        """The mask of an outline's inside, for the part of the sheet at *place*."""
        mask = np.zeros_like(self.alpha[place])
        corner = np.array([place[1].start, place[0].start]) * 16
        cv2.fillPoly(
            mask, [(self._fixed(outline) - corner).astype(np.int32)], (255,), cv2.LINE_AA, 4
        )
        return mask

    def _fixed(self, points: Points) -> NDArray[np.int32]:
        return np.rint(points * self.zoom * 16).astype(np.int32)

    def _shaded(
        self,
        shapes: list[NDArray[np.int32]],
        centre: tuple[float, float],
        reach: float,
        colour: tuple[int, int, int],
    ) -> None:
        mask = np.zeros_like(self.alpha)
        cv2.fillPoly(mask, shapes, (255,), cv2.LINE_AA, 4)
        self._shade(mask, centre, reach, colour)

    def _shade(
        self,
        mask: NDArray[np.uint8],
        centre: tuple[float, float],
        reach: float,
        colour: tuple[int, int, int],
    ) -> None:
        """Lay *colour* where *mask* is, lit from the upper left."""
        wide, tall = self.size
        x = (np.arange(wide, dtype=np.float32) / self.zoom - centre[0]) / reach
        y = (np.arange(tall, dtype=np.float32) / self.zoom - centre[1]) / reach
        light = np.clip(0.95 - 0.22 * x[None, :] - 0.18 * y[:, None], 0.5, 1.2)
        self._lay(mask, light[..., None] * np.array(colour, np.float32))

    def _lay(
        self,
        mask: NDArray[np.uint8],
        colour: NDArray[np.floating],
        place: tuple[slice, ...] = np.s_[:, :],
    ) -> None:
        """Lay *colour*, one for all or one per pixel, where *mask* is, which lies at *place*."""
        paint = np.clip(colour, 0, 255)
        colours, alpha = self.colours[place], self.alpha[place]
        part = mask.astype(np.float32)[..., None] / 255
        # Under a soft edge the colour is the subject's own, not what the sheet held before.
        bare = (alpha[..., None] == 0) & (part > 0)
        colours[:] = np.where(bare, paint, colours * (1 - part) + paint * part)
        np.maximum(alpha, mask, out=alpha)


def oval(x: float, y: float, wide: float, tall: float) -> Points:
    """An ellipse's rim, given its centre and half axes."""
    angles = np.linspace(0, 2 * math.pi, 16, endpoint=False)
    return np.stack([x + np.cos(angles) * wide, y + np.sin(angles) * tall], axis=1)


def moved(points: Points, x: float, y: float) -> Points:
    """All *points* moved by *x* and *y*."""
    return np.asarray(np.add(points, (x, y)), np.float64)


def _rounded(points: Points) -> Points:
    """A closed Catmull-Rom spline through *points*, with four steps from each to the next."""
    before, after, beyond = (np.roll(points, shift, axis=0) for shift in (1, -1, -2))
    steps = [
        points
        + (after - before) * (t / 2)
        + (before - 2.5 * points + 2 * after - 0.5 * beyond) * t**2
        + (1.5 * (points - after) + 0.5 * (beyond - before)) * t**3
        for t in (0.0, 0.25, 0.5, 0.75)
    ]
    return np.stack(steps, axis=1).reshape(-1, 2)
