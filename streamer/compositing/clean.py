"""
Corrects the subject's colours: soft edges without the room, no light of a green screen, some light
of the new background.

Pictures are (H, W, 3) uint8 BGR, alphas (H, W) uint8 of the same size. Each class owns its scratch
memory, allocates it when a size is new and nothing of a frame's size after, and is for one thread.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Alpha, Image

_HALF, _TINY = 2, 16
"""Factors by which pictures are shrunk for the second and for the first pass."""
_WIDE_PX, _NEAR_PX = 90, 6
"""Radii of the windows of the first and the second pass in full-size pixels: the paper's."""
_STRIP_ROWS = 128
"""Rows worked on at a time at full size, and only in the columns that are soft there."""
_LEAST = 1e-3
"""Least share of a window by which a sum is divided."""

_Part = tuple[slice, slice]
"""Rows and columns."""


class Foreground:
    """
    Estimates the colours that the subject has at its soft edges, where the room shines through.

    Blur-fusion in two passes (M. Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021,
    section 2). With the image I, the alpha a, and means over a window in which a pixel's foreground
    F counts as much as its a, and its background B as 1 - a, it is

        F = mean(F) + a * (I - a * mean(F) - (1 - a) * mean(B))

    first with F = B = I in a wide window, then with that result in a near one. Means are smooth, so
    they are made of shrunken pictures; only the sum is made at full size, where alpha is soft. The
    wide mean of the background stands in for the near one, which hardly differs from it.
    """

    def __init__(self) -> None:
        self._size = (0, 0)

    def estimate(self, image: Image, alpha: Alpha, out: Image) -> None:
        """
        Write the foreground's colours into *out*.

        Args:
            image: (H, W, 3) uint8 BGR; borrowed.
            alpha: (H, W) uint8 of that image; borrowed.
            out: (H, W, 3) uint8, another array. Where alpha is 255 it is the image; where alpha is
                0 it has no meaning.
        """
        np.copyto(out, image)
        height, width = alpha.shape
        self._fit(height, width)
        soft = cv2.inRange(alpha, (1,), (254,), dst=self._soft)
        left, top, wide, tall = cv2.boundingRect(soft)
        if not wide:
            return
        image, alpha = self._in_whole_cells(image, alpha)
        self._find_wide_means(image, alpha)
        self._find_near_mean(_around(top, left, tall, wide))
        for first in range(top, top + tall, _STRIP_ROWS):
            strip = slice(first, min(first + _STRIP_ROWS, top + tall))
            left, _, wide, _ = cv2.boundingRect(soft[strip])
            if wide:
                self._fuse_strip(image, alpha, strip, _around(first, left, _STRIP_ROWS, wide), out)

    def _fuse_strip(
        self, image: Image, alpha: Alpha, rows: slice, small: _Part, out: Image
    ) -> None:
        """Write the sum where alpha is soft in *rows*; *small* is the part of the means for it."""
        around, columns = (
            slice(_HALF * s.start, min(_HALF * s.stop, side))
            for s, side in zip(small, alpha.shape, strict=True)
        )
        means, large = self._small, self._large
        tall, wide = around.stop - around.start, columns.stop - columns.start
        part = _part(0, 0, tall, wide)
        for mean, larger in (
            (means.foreground, large.foreground),
            (means.background, large.background),
        ):
            cv2.resize(mean[small], (wide, tall), dst=larger[part], interpolation=cv2.INTER_LINEAR)
        found = large.fuse(image[around, columns], alpha[around, columns], part)
        here = out[rows, columns]
        skipped = rows.start - around.start
        found = found[skipped : skipped + here.shape[0], : here.shape[1]]
        cv2.copyTo(found, self._soft[rows, columns], dst=here)

    def _fit(self, height: int, width: int) -> None:
        if self._size == (height, width):
            return
        self._size = (height, width)
        self._soft: Alpha = np.empty((height, width), np.uint8)
        rows, columns = math.ceil(height / _TINY), math.ceil(width / _TINY)
        self._tiny = [np.empty((rows, columns, 3), np.uint8) for _ in range(2)]
        self._tiny_alpha: Alpha = np.empty((rows, columns), np.uint8)
        tall, wide = rows * _TINY, columns * _TINY
        self._large = _Layers(_STRIP_ROWS + _HALF * 4, wide)
        self._image: Image = np.empty((tall, wide, 3), np.uint8)
        self._alpha: Alpha = np.empty((tall, wide), np.uint8)
        tall, wide = tall // _HALF, wide // _HALF
        self._small = _Layers(tall, wide)
        self._small_image: Image = np.empty((tall, wide, 3), np.uint8)
        self._small_alpha: Alpha = np.empty((tall, wide), np.uint8)
        self._lit, self._lit_mean = (np.empty((tall, wide, 3), np.uint16) for _ in range(2))
        self._cover, self._cover_mean = (np.empty((tall, wide), np.uint16) for _ in range(2))

    def _in_whole_cells(self, image: Image, alpha: Alpha) -> tuple[Image, Alpha]:
        """Both, padded where needed, so that the pixels of all sizes align exactly."""
        below, beside = (
            whole - side for whole, side in zip(self._alpha.shape, alpha.shape, strict=True)
        )
        if not below and not beside:
            return image, alpha
        edge = cv2.BORDER_REPLICATE
        cv2.copyMakeBorder(image, 0, below, 0, beside, edge, dst=self._image)
        cv2.copyMakeBorder(alpha, 0, below, 0, beside, edge, dst=self._alpha)
        return self._image, self._alpha

    def _find_wide_means(self, image: Image, alpha: Alpha) -> None:
        """The first pass's means, of the whole frame."""
        small = self._small
        size = self._small_alpha.shape[::-1]
        cv2.resize(image, size, dst=self._small_image, interpolation=cv2.INTER_AREA)
        cv2.resize(alpha, size, dst=self._small_alpha, interpolation=cv2.INTER_AREA)
        cv2.cvtColor(self._small_alpha, cv2.COLOR_GRAY2BGR, dst=small.weight)
        lit = cv2.multiply(self._small_image, small.weight, dst=small.found, scale=1 / 255)
        tiny = self._tiny_alpha.shape[::-1]
        cv2.resize(self._small_image, tiny, dst=self._tiny[0], interpolation=cv2.INTER_AREA)
        cv2.resize(lit, tiny, dst=self._tiny[1], interpolation=cv2.INTER_AREA)
        cv2.resize(self._small_alpha, tiny, dst=self._tiny_alpha, interpolation=cv2.INTER_AREA)
        seen_mean, lit_mean, alpha_mean = (
            _mean(layer.astype(np.float32), round(_WIDE_PX / _TINY))
            for layer in (*self._tiny, self._tiny_alpha)
        )
        share = alpha_mean[:, :, None] / 255
        foreground = lit_mean / np.maximum(share, _LEAST)
        background = (seen_mean - lit_mean) / np.maximum(1 - share, _LEAST)
        for mean, out in ((foreground, small.foreground), (background, small.background)):
            levels = np.clip(np.rint(mean), 0, 255).astype(np.uint8)
            cv2.resize(levels, size, dst=out, interpolation=cv2.INTER_LINEAR)

    def _find_near_mean(self, here: _Part) -> None:
        """The second pass's mean of the foreground, in the first one's place."""
        small = self._small
        around = _part(
            *(s.start - _NEAR_PX for s in here),
            *(s.stop - s.start + 2 * _NEAR_PX for s in here),
        )
        first = small.fuse(self._small_image[around], self._small_alpha[around], around)
        # 16 bits: 8 would leave little of the colours of faint strands.
        lit, cover = self._lit[around], self._cover[around]
        cv2.multiply(first, small.weight[around], dst=lit, dtype=cv2.CV_16U)
        np.multiply(self._small_alpha[around], np.uint16(255), out=cover)
        lit_mean = _mean(lit, _NEAR_PX // _HALF, self._lit_mean[around])
        cover_mean = _mean(cover, _NEAR_PX // _HALF, self._cover_mean[around])
        cv2.cvtColor(cover_mean, cv2.COLOR_GRAY2BGR, dst=lit)
        cv2.divide(lit_mean, lit, dst=small.foreground[around], scale=255, dtype=cv2.CV_8U)


class _Layers:
    """The arrays for a sum at one size; all (h, w, 3) uint8."""

    def __init__(self, height: int, width: int) -> None:
        layers = [np.empty((height, width, 3), np.uint8) for _ in range(5)]
        self.foreground, self.background, self.weight, self.found, self._rest = layers
        """Means of both; alpha in each channel; the sum; scratch."""

    def fuse(self, image: Image, alpha: Alpha, here: _Part) -> Image:
        """The sum in the part *here* for *image* and *alpha* there, valid until the next call."""
        foreground, background = self.foreground[here], self.background[here]
        weight, out, rest = self.weight[here], self.found[here], self._rest[here]
        cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR, dst=weight)
        cv2.multiply(foreground, weight, dst=out, scale=1 / 255)
        cv2.bitwise_not(weight, dst=rest)
        cv2.multiply(background, rest, dst=rest, scale=1 / 255)
        cv2.add(out, rest, dst=out)
        # The difference in two parts, as bytes have no sign: the positive and the negative one.
        cv2.subtract(image, out, dst=rest)
        cv2.subtract(out, image, dst=out)
        cv2.multiply(rest, weight, dst=rest, scale=1 / 255)
        cv2.multiply(out, weight, dst=out, scale=1 / 255)
        cv2.add(foreground, rest, dst=rest)
        cv2.subtract(rest, out, dst=out)
        return out


class Despill:
    """Removes the light of a coloured wall from the subject: see `remove`."""

    def __init__(self) -> None:
        self._key: Alpha = np.empty((0, 0), np.uint8)
        self._other, self._bound = self._key, self._key

    def remove(
        self, image: Image, colour: Literal["green", "blue"], strength: float, out: Image
    ) -> None:
        """
        Limit one channel to the larger of the two others.

        What is neutral, or as yellow or as cyan as green, stays as it is; nothing becomes redder.

        Args:
            image: (H, W, 3) uint8 BGR; borrowed.
            colour: the wall's.
            strength: the share of the excess over the limit that is removed, in (0, 1].
            out: (H, W, 3) uint8, overwritten; may be *image*.
        """
        if self._key.shape != image.shape[:2]:
            self._key, self._other, self._bound = (
                np.empty(image.shape[:2], np.uint8) for _ in range(3)
            )
        key = 1 if colour == "green" else 0
        if out is not image:
            np.copyto(out, image)
        cv2.extractChannel(image, key, dst=self._key)
        cv2.extractChannel(image, 1 - key, dst=self._other)
        cv2.extractChannel(image, 2, dst=self._bound)
        cv2.max(self._bound, self._other, dst=self._bound)
        excess = cv2.subtract(self._key, self._bound, dst=self._bound)
        if strength < 1:
            cv2.convertScaleAbs(excess, dst=excess, alpha=strength)
        cv2.subtract(self._key, excess, dst=self._key)
        cv2.insertChannel(self._key, out, key)


class LightWrap:
    """Lets light of the background fall on the subject's edges: see `add`."""

    _SHRINK = 4
    """Light is smooth: from a radius of twice this on, blur a picture so many times smaller."""

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()

    def add(
        self, composite: Image, backdrop: Image, alpha: Alpha, strength: float, radius_px: int
    ) -> None:
        """
        Add to *composite*, in place, the blurred light of the visible part of *backdrop*.

        With the light l = strength * alpha * blur((1 - alpha) * backdrop) the composite c becomes
        c + l * (1 - c): a screen, which never darkens and never clips.

        Args:
            composite: (H, W, 3) uint8 BGR, the subject over *backdrop*; changed where alpha is not
                0, up to *radius_px* from where it is not 255.
            backdrop: (H, W, 3) uint8; borrowed.
            alpha: (H, W) uint8; borrowed.
            strength: in (0, 1].
            radius_px: how far light reaches, 1 or more.
        """
        shrink = self._SHRINK if radius_px >= 2 * self._SHRINK else 1
        self._fit(composite.shape[0], composite.shape[1], shrink)
        size = self._light.shape[1::-1]
        cv2.resize(alpha, size, dst=self._rest, interpolation=cv2.INTER_AREA)
        cv2.bitwise_not(self._rest, dst=self._rest)
        cv2.cvtColor(self._rest, cv2.COLOR_GRAY2BGR, dst=self._weight)
        cv2.resize(backdrop, size, dst=self._light, interpolation=cv2.INTER_AREA)
        cv2.multiply(self._light, self._weight, dst=self._light, scale=1 / 255)
        # Two windows, each of half the radius: light falls off to nothing at the radius.
        reach = radius_px // shrink
        _mean(self._light, reach // 2, self._weight)
        _mean(self._weight, reach - reach // 2, self._light)
        light, weight = self._large
        cv2.resize(self._light, light.shape[1::-1], dst=light, interpolation=cv2.INTER_LINEAR)
        cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR, dst=weight)
        cv2.multiply(light, weight, dst=light, scale=strength / 255)
        cv2.bitwise_not(composite, dst=weight)
        cv2.multiply(light, weight, dst=light, scale=1 / 255)
        cv2.add(composite, light, dst=composite)

    def _fit(self, height: int, width: int, shrink: int) -> None:
        if self._shape == (height, width, shrink):
            return
        self._shape = (height, width, shrink)
        self._large = [np.empty((height, width, 3), np.uint8) for _ in range(2)]
        tall, wide = math.ceil(height / shrink), math.ceil(width / shrink)
        self._light, self._weight = (np.empty((tall, wide, 3), np.uint8) for _ in range(2))
        self._rest: Alpha = np.empty((tall, wide), np.uint8)


def _mean(layer: NDArray[Any], radius_px: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Means over squares of *radius_px* to each side; the frame's border pixels repeat beyond."""
    side = 2 * radius_px + 1
    return cv2.blur(layer, (side, side), dst=out, borderType=cv2.BORDER_REPLICATE)


def _part(top: int, left: int, tall: int, wide: int) -> _Part:
    """The rows and columns of that box, without what lies above or left of the picture."""
    return slice(max(0, top), max(0, top + tall)), slice(max(0, left), max(0, left + wide))


def _around(top: int, left: int, tall: int, wide: int) -> _Part:
    """That box in the picture of half the size, with a pixel more on each side."""
    rows, columns = top // _HALF - 1, left // _HALF - 1
    return _part(
        rows, columns, (top + tall) // _HALF + 2 - rows, (left + wide) // _HALF + 2 - columns
    )
