"""Regions of a frame in pixels: where they are, and the box around them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from streamer.config import PreprocessConfig, Region
from streamer.core.boxes import Box
from streamer.errors import ConfigError


def places_in(regions: Sequence[Region], width: int, height: int) -> list[Box]:
    """
    The boxes of *regions* in a frame of *width* x *height* pixels, cut off at its borders.

    Raises:
        ConfigError: a region has no pixel in the frame.
    """
    return [_place(region, width, height) for region in regions]


def box_around(places: Sequence[Box]) -> Box:
    """The smallest box around all of *places*, of which there must be at least one."""
    return reduce(Box.joined, places)


def within_crop(config: PreprocessConfig) -> PreprocessConfig:
    """
    Adapt *config* to frames that `output: cropped` has already cropped to its regions.

    A single region then fills the frame and is dropped. Several are moved into it; if they are in
    fractions, rounding may put them a pixel off their place in the full frame.
    """
    if config.output == "full":
        return config
    regions = config.regions
    left, top = (min(region[axis] for region in regions) for axis in (0, 1))
    moved: list[Region] = [(x - left, y - top, w, h) for x, y, w, h in regions]
    if all(is_relative(region) for region in regions):
        across = max(x + w for x, _, w, _ in moved)
        down = max(y + h for _, y, _, h in moved)
        moved = [
            (x / across, y / down, min(1.0, w / across), min(1.0, h / down)) for x, y, w, h in moved
        ]
    roi = moved if len(moved) > 1 else None
    return config.model_copy(update={"roi": roi, "output": "full"})


def is_relative(region: Region) -> bool:
    """Whether *region* is in fractions of the frame rather than in pixels."""
    return max(region) <= 1


def _place(region: Region, width: int, height: int) -> Box:
    across, down = (width, height) if is_relative(region) else (1, 1)
    x, y, w, h = region
    left, top = round(x * across), round(y * down)
    if is_relative(region):
        # It starts in the frame, but rounding may put its start beyond the last pixel.
        left, top = min(left, width - 1), min(top, height - 1)
    if left >= width or top >= height:
        raise ConfigError(
            f"preprocess.roi: {_written(region)} is outside of a frame of {width}x{height}: "
            "write fractions from 0 to 1, or pixels within it"
        )
    # Even the thinnest region has one pixel.
    right = min(width, max(left + 1, round((x + w) * across)))
    bottom = min(height, max(top + 1, round((y + h) * down)))
    return Box(left, top, right, bottom)


def _written(region: Region) -> str:
    return "[" + ", ".join(f"{number:g}" for number in region) + "]"
