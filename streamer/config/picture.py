"""What becomes of an alpha and what a picture shows: refinement, backgrounds. Validation only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from streamer.config.data import Data
from streamer.config.stream_urls import LocalPath

COLOURS = ("black", "white", "green", '"#rrggbb"')
"""As messages list them."""
COLOUR_PATTERN = r"^(black|white|green|#[0-9A-Fa-f]{6})$"
Colour = Annotated[
    str,
    Field(
        title="colour",
        pattern=COLOUR_PATTERN,
        description='`black`, `white`, `green` (of a green screen) or `"#rrggbb"`, in quotes.',
    ),
]


class RefineConfig(Data):
    """What is done to the soft alpha, in this order; `threshold` alone is for the mask."""

    threshold: float = Field(0.5, gt=0, le=1)
    """The mask is where alpha is at least this."""
    gain: float = Field(1.0, gt=0, le=10)
    """1. Alpha is multiplied by it: more than 1 hardens faint parts."""
    band: tuple[float, float] | None = None
    """2. [low, high]: up to low is background, from high on foreground, smooth between them."""
    min_fragment: float = Field(0.0, ge=0, lt=1)
    """3. Fragments of the foreground smaller than this share of the frame are dropped, …"""
    fragment_frames: int = Field(0, ge=0, le=120)
    """… but not before they were too small for so many frames, one after another."""
    keep_largest: int | None = Field(None, ge=1, le=1000)
    """4. Of the foreground's parts only so many are kept, the largest."""
    fill_holes: float = Field(0.0, ge=0, lt=1)
    """5. Holes in the foreground smaller than this share of the frame are filled."""
    grow_px: int = Field(0, ge=-64, le=64)
    """6. The foreground grows by so many pixels; it shrinks where this is negative."""
    feather_px: float = Field(0.0, ge=0, le=64)
    """7. The edge becomes soft over so many pixels, …"""
    feather: Literal["inward", "outward"] = "inward"
    """… within the foreground, so that no more of the room shows, or around it."""
    invert: bool = False
    """8. Foreground and background change places: the room shows."""

    @field_validator("band")
    @classmethod
    def _rising(cls, band: tuple[float, float] | None) -> tuple[float, float] | None:
        if band is not None and not 0 <= band[0] < band[1] <= 1:
            raise ValueError("is [low, high], with 0 <= low < high <= 1")
        return band

    @property
    def changes_alpha(self) -> bool:
        """Whether anything but the threshold is asked for."""
        return self != RefineConfig(threshold=self.threshold)


class ColourBackgroundConfig(Data):
    """One colour; the colour alone, or its name, means this."""

    type: Literal["colour"]
    colour: Colour


class TransparentBackgroundConfig(Data):
    """None, where the format holds an alpha; `transparent` alone means this."""

    type: Literal["transparent"]


class ImageBackgroundConfig(Data):
    """A picture, which covers the frame: scaled with its shape kept, and cut to the frame's."""

    type: Literal["image"]
    path: LocalPath
    """The picture."""


class VideoBackgroundConfig(Data):
    """A video, over and over, likewise."""

    type: Literal["video"]
    path: LocalPath
    """The video file; its sound is not used."""


class BlurBackgroundConfig(Data):
    """The room itself, blurred. It can still be guessed at."""

    type: Literal["blur"]
    strength: float = Field(0.5, gt=0, le=1)
    """How much; the same look at every size of frame."""


class PixelateBackgroundConfig(Data):
    """The room itself in blocks. It can still be guessed at."""

    type: Literal["pixelate"]
    block_px: int = Field(32, ge=2, le=512)
    """Side of a block."""


class DimBackgroundConfig(Data):
    """The room itself, darker."""

    type: Literal["dim"]
    keep: float = Field(0.3, ge=0, le=1)
    """The share of its light that is left: 0 is black, 1 the room as it is."""


_Named = Literal["transparent", "blur", "pixelate", "dim"]
"""Types that need nothing more than their name."""


def _spelt_out(background: Any) -> Any:
    """A *background* in one word as the mapping that it stands for."""
    if isinstance(background, Mapping | Data):
        return background
    if isinstance(background, str):
        if background in get_args(_Named):
            return {"type": background}
        if background in ("image", "video"):
            raise ValueError(f"needs a path: write {{type: {background}, path: …}}")
        if re.match(COLOUR_PATTERN, background):
            return {"type": "colour", "colour": background}
    names = (*COLOURS, *get_args(_Named), "a mapping with a type")
    raise PydanticCustomError("unknown_name", "is none of {names}", {"names": names})


_OneBackground = Annotated[
    ColourBackgroundConfig
    | TransparentBackgroundConfig
    | ImageBackgroundConfig
    | VideoBackgroundConfig
    | BlurBackgroundConfig
    | PixelateBackgroundConfig
    | DimBackgroundConfig,
    Field(discriminator="type"),
]
BackgroundConfig = Annotated[
    _OneBackground,
    BeforeValidator(_spelt_out, json_schema_input_type=_Named | Colour | _OneBackground),
]
"""A colour, or the name of a type for its defaults, or one of a `type` with what it takes."""


class OverlayConfig(Data):
    """How the panel `overlay` marks the mask on the frame."""

    colour: Colour = "green"
    opacity: float = Field(0.5, gt=0, le=1)
    """1 hides the frame where the mask is."""


class LightWrapConfig(Data):
    """Light of the background around the subject's edges, in composites."""

    strength: float = Field(0.3, gt=0, le=1)
    """How much of it."""
    radius_px: int = Field(12, ge=1, le=128)
    """How far into the subject it reaches."""


class DespillConfig(Data):
    """Removes the light that a coloured wall throws on the subject."""

    colour: Literal["green", "blue"] = "green"
    """The wall's."""
    strength: float = Field(1.0, gt=0, le=1)
    """How much of it is removed."""


class ComposeConfig(Data):
    """What cutouts and composites are."""

    cutout: Literal["rgb_on_black", "rgba"] = "rgb_on_black"
    """`rgb_on_black`: the foreground on black, black where the mask is 0; `rgba`: the colours
    with the soft alpha, where the format holds one."""
    background: BackgroundConfig = ColourBackgroundConfig(type="colour", colour="black")
    """What a composite stands on: `black`, `white`, `green` (of a green screen), `"#rrggbb"`;
    `transparent`, where the format holds an alpha; `blur`, `pixelate` or `dim`, of the room itself;
    or one spelt out: `{type: image, path: beach.jpg}`."""
    colours: Literal["plain", "clean"] = "plain"
    """Of soft edges: `plain`, the frame's own, in which the room shines through; `clean`, the
    foreground's alone, estimated."""
    despill: DespillConfig | None = None
    light_wrap: LightWrapConfig | None = None
    overlay: OverlayConfig = OverlayConfig()
