"""What the model sees of a frame: regions, size, filters. Validation only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from streamer.config.data import Data

Region = tuple[float, float, float, float]
"""
Left, top, width, height: in fractions of the frame if none is over 1, else in pixels.
"""

Hue = Annotated[float, Field(ge=0, le=360)]
Share = Annotated[float, Field(ge=0, le=1)]


class BlurConfig(Data):
    """Smoothing of what the model sees."""

    kind: Literal["gaussian", "median", "bilateral"] = "gaussian"
    """`median` removes specks; `bilateral` keeps edges and is slow."""
    size_px: int = Field(5, ge=3, le=31)
    """Width of the filter, in pixels of the picture that the model is given; odd."""

    @field_validator("size_px")
    @classmethod
    def _odd(cls, size_px: int) -> int:
        if size_px % 2 == 0:
            raise ValueError(f"must be odd: {size_px - 1} or {size_px + 1}")
        return size_px


class HsvRangeConfig(Data):
    """Colours by hue, saturation and value."""

    hue: tuple[Hue, Hue] = (0.0, 360.0)
    """Degrees, from and to; [340, 20] wraps around 0."""
    saturation: tuple[Share, Share] = (0.0, 1.0)
    """From and to; 0 is grey."""
    value: tuple[Share, Share] = (0.0, 1.0)
    """From and to; 0 is black."""

    @field_validator("saturation", "value")
    @classmethod
    def _rising(cls, bounds: tuple[float, float]) -> tuple[float, float]:
        if bounds[0] > bounds[1]:
            raise ValueError("must go from the smaller to the larger")
        return bounds


class HsvConfig(Data):
    """Chooses the colours that the model sees; all others are black to it."""

    mode: Literal["keep", "drop"] = "keep"
    """`keep`: the model sees only the colours in `ranges`; `drop`: all but these."""
    ranges: list[HsvRangeConfig] = Field(min_length=1, max_length=64)
    """Ranges of colours; a colour counts if it is in any of them."""


def _cut_off(region: Region) -> Region:
    """*region*, clipped to the frame if it is in fractions. Raises ValueError."""
    left, top, width, height = region
    shown = f"[{', '.join(f'{n:g}' for n in region)}]"
    if min(left, top) < 0 or min(width, height) <= 0:
        raise ValueError(f"{shown}: is left, top, width, height, the last two above 0")
    if max(region) > 1_000_000:
        raise ValueError(f"{shown}: {max(region):g} is not at most 1000000")
    if max(region) > 1:
        return region
    if max(left, top) == 1:
        raise ValueError(f"{shown}: is outside of the frame")
    # An excess from rounding alone stays as it was written.
    if left + width > 1 + 1e-9:
        width = 1 - left
    if top + height > 1 + 1e-9:
        height = 1 - top
    return left, top, width, height


class PreprocessConfig(Data):
    """What the model sees. Outputs keep the frame's own pixels."""

    roi: Region | list[Region] | None = None
    """A region, or several: `[left, top, width, height]` in fractions of the frame, or in pixels
    if a number is over 1. The model sees the box around them; all outside them is background."""
    output: Literal["full", "cropped"] = "full"
    """`cropped`: everything after the source works on the box around the regions only."""
    max_side: int | None = Field(None, ge=32, le=16384)
    """Longer side of the picture that the model is given, in pixels at most."""
    scale: float | None = Field(None, gt=0, le=1)
    """Instead of `max_side`: size of that picture, as a share of the frame's."""
    denoise: float = Field(0.0, ge=0, le=1)
    """Removes noise but keeps edges; 1 is strongest."""
    blur: BlurConfig | None = None
    hsv: HsvConfig | None = None

    @property
    def regions(self) -> tuple[Region, ...]:
        """`roi` as a tuple of regions; empty if there is none."""
        if self.roi is None:
            return ()
        return tuple(self.roi) if isinstance(self.roi, list) else (self.roi,)

    @field_validator("roi")
    @classmethod
    def _has_an_area(cls, roi: Region | list[Region] | None) -> Region | list[Region] | None:
        if roi == []:
            raise ValueError("names no region: leave it out")
        if isinstance(roi, list) and len(roi) > 64:
            raise ValueError(f"names {len(roi)} regions: 64 at most")
        if isinstance(roi, list):
            return [_cut_off(region) for region in roi]
        return None if roi is None else _cut_off(roi)

    @model_validator(mode="after")
    def _one_size(self) -> PreprocessConfig:
        if self.max_side is not None and self.scale is not None:
            raise ValueError("give either max_side or scale")
        if self.output == "cropped" and self.roi is None:
            raise ValueError("output: cropped needs a roi")
        if self.output == "cropped" and len({max(region) <= 1 for region in self.regions}) > 1:
            raise ValueError("output: cropped needs its regions all in fractions, or all in pixels")
        return self
