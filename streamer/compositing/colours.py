"""Colours by name or as `#rrggbb`, as the configuration has them, and pictures of one colour."""

from __future__ import annotations

import numpy as np

from streamer.frame import Image

Colour = tuple[int, int, int]
"""Blue, green, red, each 0..255."""

_NAMED: dict[str, Colour] = {"black": (0, 0, 0), "white": (255, 255, 255), "green": (64, 177, 0)}
"""Green is that of a chroma key, #00b140."""


def colour(text: str) -> Colour:
    """The colour of a `compose.background`: a name, or `#rrggbb`. Raises ValueError for another."""
    if text in _NAMED:
        return _NAMED[text]
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return blue, green, red


class Plain:
    """A picture of one colour, made anew when its size or its colour changes."""

    def __init__(self) -> None:
        self._picture: Image = np.empty((0, 0, 3), np.uint8)
        self._colour: Colour | None = None

    def of(self, shape: tuple[int, ...], colour: Colour) -> Image:
        """The picture, (H, W, 3) uint8 of *shape*; borrowed, and the same until either changes."""
        if (self._picture.shape, self._colour) != (shape, colour):
            self._picture = np.full(shape, colour, np.uint8)
            self._colour = colour
        return self._picture
