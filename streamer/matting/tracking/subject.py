"""Where the subjects are, and which parts of the frame the model should look at."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from streamer.core.boxes import Box
from streamer.frame import Alpha

_COARSE = 4
"""Subjects are searched for in a picture that is this many times smaller."""
_SEEN = 64
"""The least alpha of a pixel that counts as a subject's."""
_SURE = 200
_SPECK = 0.0015
"""The least share of the frame that a subject covers…"""
_FLECK = 0.0002
"""…or, if there is no larger one and small ones are wanted (somebody far away), this share…"""
_FLECK_PX = 4
"""…and at least so many pixels of the coarse picture."""
_SURE_SHARE = 0.35
"""The least share of sure pixels in a subject: a patch with fewer is a guess of the model."""
_MARGIN = 0.15
"""Share of a box's longer side that is added on each side."""
_KEEP_MARGIN = 0.04
"""A box stays where it is while this margin is left around the subject."""
_TOO_WIDE = 1.6
"""How many times larger than needed a kept box may be."""
_AS_IT_IS = 1.02
"""A crop that wants up to this many times the smallest input counts as not shrunk by it."""
_EDGE = 0.03
"""Share of a box's side that a subject may touch by chance."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of the frame, and the size of the network input that it is shown at."""

    box: Box
    side: int
    """Of the square network input, in pixels."""


def find_subjects(alpha: Alpha, *, small_too: bool = False) -> list[Box]:
    """
    The boxes of the large and sure patches of *alpha*, (H, W) uint8, largest first.

    With *small_too*, patches as small as a person far away count if there are no larger ones.
    """
    height, width = alpha.shape
    size = (max(1, width // _COARSE), max(1, height // _COARSE))
    small = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    _, seen = cv2.threshold(small, _SEEN, 255, cv2.THRESH_BINARY)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(seen, connectivity=8)
    sure = np.bincount(labels[small >= _SURE], minlength=count)
    areas = stats[:, cv2.CC_STAT_AREA]
    clear = sure >= _SURE_SHARE * areas
    large = clear & (areas >= _SPECK * small.size)
    if small_too and not large[1:].any():
        large = clear & (areas >= max(_FLECK * small.size, _FLECK_PX))
    found = []
    for label in range(1, count):
        left, top, wide, tall, area = (int(value) for value in stats[label])
        if not large[label]:
            continue
        across, down = width / size[0], height / size[1]
        box = Box(
            math.floor(left * across),
            math.floor(top * down),
            min(width, math.ceil((left + wide) * across)),
            min(height, math.ceil((top + tall) * down)),
        )
        found.append((area, box))
    return [box for _, box in sorted(found, key=lambda pair: -pair[0])]


def touches(alpha: Alpha, box: Box) -> bool:
    """Whether a subject extends beyond *box*: it covers a border that is not the frame's."""
    height, width = alpha.shape
    edges = []
    if box.left > 0:
        edges.append(alpha[box.top : box.bottom, box.left])
    if box.right < width:
        edges.append(alpha[box.top : box.bottom, box.right - 1])
    if box.top > 0:
        edges.append(alpha[box.top, box.left : box.right])
    if box.bottom < height:
        edges.append(alpha[box.bottom - 1, box.left : box.right])
    return any(np.count_nonzero(edge >= _SEEN) > _EDGE * edge.size for edge in edges)


class CropPlanner:
    """
    Chooses crops around the subjects, and keeps them steady.

    Args:
        height, width: of the frames.
        sides: of the network's square inputs, ascending.
        detail: network pixels wanted for each pixel of a crop.
        enlarge: show a crop that the smallest input would not shrink in the largest one: models
            know pictures with many pixels, and do not recognise small subjects.
    """

    def __init__(
        self,
        height: int,
        width: int,
        sides: Sequence[int],
        detail: float,
        *,
        enlarge: bool = False,
    ) -> None:
        self._height = height
        self._width = width
        self._sides = tuple(sides)
        self._detail = detail
        self._enlarge = enlarge
        self._crops: tuple[Crop, ...] = ()

    @property
    def crops(self) -> tuple[Crop, ...]:
        """The crops that were chosen last."""
        return self._crops

    @property
    def frame(self) -> Box:
        """The box of the whole frame."""
        return Box(0, 0, self._width, self._height)

    @property
    def sides(self) -> tuple[int, ...]:
        """The sides of the network's square inputs, ascending."""
        return self._sides

    def follow(self, subjects: Sequence[Box]) -> tuple[Crop, ...]:
        """
        The crops for *subjects*: one for each, or joined ones where that costs less.

        Crops that still fit are kept, so that the model's view is steady.
        """
        if self._fits(subjects):
            return self._crops
        boxes = [self._with_margin(box) for box in subjects]
        while joined := _cheaper(boxes, self._cost):
            boxes = joined
        self._crops = tuple(Crop(box, self._side(box)) for box in boxes)
        return self._crops

    def _with_margin(self, box: Box) -> Box:
        """*box* with a margin, which is wider if the largest input enlarges a small box anyway."""
        margin = _MARGIN
        if self._enlarge and len(self._sides) > 1:
            room = self._sides[0] / self._detail / max(box.width, box.height)
            margin = max(margin, (room - 1) / 2)
        return box.grown(margin, self._width, self._height)

    def _fits(self, subjects: Sequence[Box]) -> bool:
        """Whether every subject has a crop with room around it, and no crop is much too large."""
        if not subjects or not self._crops:
            return not subjects and not self._crops
        for crop in self._crops:
            inside = [box for box in subjects if crop.box.contains(box)]
            if not inside:
                return False
            around = inside[0]
            for box in inside[1:]:
                around = around.joined(box)
            if max(crop.box.width, crop.box.height) > _TOO_WIDE * max(
                self._with_margin(around).width, self._with_margin(around).height
            ):
                return False
        return all(
            any(
                crop.box.contains(box.grown(_KEEP_MARGIN, self._width, self._height))
                for crop in self._crops
            )
            for box in subjects
        )

    def _side(self, box: Box) -> int:
        wanted = self._detail * max(box.width, box.height)
        if self._enlarge and wanted <= _AS_IT_IS * self._sides[0]:
            return self._sides[-1]
        return next((side for side in self._sides if side >= wanted), self._sides[-1])

    def _cost(self, box: Box) -> int:
        return self._side(box) ** 2


def _cheaper(boxes: list[Box], cost: Callable[[Box], int]) -> list[Box] | None:
    """*boxes* with two of them joined, if that costs no more; else None."""
    for first, one in enumerate(boxes):
        for second in range(first + 1, len(boxes)):
            both = one.joined(boxes[second])
            if cost(both) <= cost(one) + cost(boxes[second]):
                rest = [box for n, box in enumerate(boxes) if n not in (first, second)]
                return [*rest, both]
    return None
