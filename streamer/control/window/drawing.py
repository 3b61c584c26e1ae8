"""Regions of the frame, drawn with the mouse."""

from __future__ import annotations

from collections.abc import Sequence

import cv2

from streamer.config import Region
from streamer.frame import Image

_LEAST_PX = 4
"""Shortest side of a region; a smaller one was a click."""
_DIGITS = 3
_DARKER = 0.4
_FRAME = (80, 200, 255)
"""BGR of the lines around a region."""

Corners = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels, half open."""


class RegionDrawing:
    """
    Rectangles on a picture, one for each drag of the mouse.

    Args:
        size: (width, height) of the picture in pixels.
        regions: those to begin with.

    Points are in pixels of the picture, and may lie outside it. For one thread.
    """

    def __init__(self, size: tuple[int, int], regions: Sequence[Region] = ()) -> None:
        self._width, self._height = size
        self._drawn = [self._corners_of(region) for region in regions]
        self._begun: tuple[int, int] | None = None
        self._reached = (0, 0)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture in pixels."""
        return self._width, self._height

    @property
    def regions(self) -> list[Region]:
        """All regions drawn, in fractions of the picture."""
        return [self._region_of(corners) for corners in self._drawn]

    def press(self, x: int, y: int) -> None:
        """The mouse's button goes down: a corner of a region."""
        self._begun = self._reached = self._within(x, y)

    def move(self, x: int, y: int) -> None:
        """The mouse moves there."""
        self._reached = self._within(x, y)

    def let_go(self, x: int, y: int) -> None:
        """The button goes up: the opposite corner. Too small a region is dropped."""
        self.move(x, y)
        corners = self._dragged()
        self._begun = None
        if corners is None or min(self._region_of(corners)[2:]) <= 0:
            return
        left, top, right, bottom = corners
        if min(right - left, bottom - top) >= _LEAST_PX:
            self._drawn.append(corners)

    def clear(self) -> None:
        """Remove all regions."""
        self._drawn.clear()
        self._begun = None

    def draw(self, picture: Image) -> None:
        """Mark the regions on *picture*, (H, W, 3) uint8 of this size, and darken the rest."""
        dragged = self._dragged()
        shown = [*self._drawn, dragged] if dragged is not None else self._drawn
        if not shown:
            return
        parts = [picture[top:bottom, left:right].copy() for left, top, right, bottom in shown]
        cv2.convertScaleAbs(picture, dst=picture, alpha=_DARKER)
        thickness = max(1, round(self._height / 360))
        for (left, top, right, bottom), part in zip(shown, parts, strict=True):
            picture[top:bottom, left:right] = part
            cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), _FRAME, thickness)

    def _dragged(self) -> Corners | None:
        if self._begun is None:
            return None
        (x, y), (across, down) = self._begun, self._reached
        return min(x, across), min(y, down), max(x, across), max(y, down)

    def _within(self, x: int, y: int) -> tuple[int, int]:
        return min(max(x, 0), self._width), min(max(y, 0), self._height)

    def _region_of(self, corners: Corners) -> Region:
        sides = (self._width, self._height) * 2
        left, top, right, bottom = (
            round(at / side, _DIGITS) for at, side in zip(corners, sides, strict=True)
        )
        return left, top, round(right - left, _DIGITS), round(bottom - top, _DIGITS)

    def _corners_of(self, region: Region) -> Corners:
        left, top, width, height = region
        across, down = (1, 1) if max(region) > 1 else (self._width, self._height)
        first = self._within(round(left * across), round(top * down))
        last = self._within(round((left + width) * across), round((top + height) * down))
        return *first, *last
