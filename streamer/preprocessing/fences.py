"""The regions of interest in frames of one size; everything outside them is background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamer.config import PreprocessConfig
from streamer.core.boxes import Box
from streamer.frame import Alpha
from streamer.preprocessing.regions import box_around, places_in


@dataclass(frozen=True, slots=True)
class Fence:
    """The regions of *config* in frames of one size."""

    shape: tuple[int, ...]
    """(H, W) of the frames."""
    config: PreprocessConfig
    box: Box
    """The smallest box around all regions; the whole frame if there are none."""
    cover: Alpha | None
    """(H, W) of the box: 255 in the regions, 0 between them. None if one region fills it."""

    @property
    def is_whole(self) -> bool:
        """Whether the whole frame counts as one region."""
        return self.cover is None and (self.box.height, self.box.width) == self.shape

    def clear_outside(self, alpha: Alpha) -> None:
        """Set *alpha*, (H, W) of a frame, to 0 outside the regions."""
        if self.is_whole:
            return
        box = self.box
        alpha[: box.top] = 0
        alpha[box.bottom :] = 0
        alpha[box.top : box.bottom, : box.left] = 0
        alpha[box.top : box.bottom, box.right :] = 0
        if self.cover is not None:
            inside = alpha[box.slices]
            np.minimum(inside, self.cover, out=inside)


class Fences:
    """Keeps the latest fence, and makes a new one when the regions or the frame size change."""

    def __init__(self) -> None:
        self._latest: Fence | None = None

    def of(self, config: PreprocessConfig, shape: tuple[int, ...]) -> Fence:
        """
        The regions of *config* in frames of *shape*, (H, W).

        Raises:
            ConfigError: a region has no pixel in the frame.
        """
        latest = self._latest
        if latest is None or latest.config is not config or latest.shape != shape:
            latest = self._latest = _fence(config, shape)
        return latest


def _fence(config: PreprocessConfig, shape: tuple[int, ...]) -> Fence:
    height, width = shape
    places = places_in(config.regions, width, height) or [Box(0, 0, width, height)]
    box = box_around(places)
    cover = None
    if len(places) > 1:
        full = np.zeros(shape, np.uint8)
        for place in places:
            full[place.slices] = 255
        cover = full[box.slices].copy()
    return Fence(shape, config, box, cover)
