"""How alphas are refined and what pictures show, such as backgrounds. Validation only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from streamer.config.data import Data
from streamer.config.stream_urls import LocalPath

COLOURS = ("black", "white", "green", '"#rrggbb"')
"""The accepted colours, as messages list them."""
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
    """Steps on the soft alpha, in the order of their numbers; `threshold` alone makes the mask."""

    threshold: float = Field(0.5, gt=0, le=1)
    """The mask is where alpha is at least this."""
    gain: float = Field(1.0, gt=0, le=10)
    """1. Factor that alpha is multiplied by: more than 1 hardens faint parts."""
    band: tuple[float, float] | None = None
    """2. [low, high]: alpha up to low is background, from high on foreground, smooth in between."""
    min_fragment: float = Field(0.0, ge=0, lt=1)
    """3. Fragments of the foreground smaller than this share of the frame are dropped."""
    fragment_frames: int = Field(0, ge=0, le=120)
    """3. Drop a fragment only once it was too small for so many frames in a row."""
    keep_largest: int | None = Field(None, ge=1, le=1000)
    """4. Keep only so many parts of the foreground, the largest."""
    fill_holes: float = Field(0.0, ge=0, lt=1)
    """5. Holes in the foreground smaller than this share of the frame are filled."""
    grow_px: int = Field(0, ge=-64, le=64)
    """6. Pixels that the foreground grows by; a negative number shrinks it."""
    feather_px: float = Field(0.0, ge=0, le=64)
    """7. Pixels over which the edge becomes soft."""
    feather: Literal["inward", "outward"] = "inward"
    """7. `inward` softens within the foreground, so that no more of the room shows; `outward`
    around it."""
    invert: bool = False
    """8. Swap foreground and background: the room shows."""

    @field_validator("band")
    @classmethod
    def _rising(cls, band: tuple[float, float] | None) -> tuple[float, float] | None:
        if band is not None and not 0 <= band[0] < band[1] <= 1:
            raise ValueError("is [low, high], with 0 <= low < high <= 1")
        return band

    @property
    def changes_alpha(self) -> bool:
        """Whether any option but the threshold is set."""
        return self != RefineConfig(threshold=self.threshold)


class ColourBackgroundConfig(Data):
    """One colour. The colour alone, as `green`, is short for this."""

    type: Literal["colour"]
    colour: Colour


class TransparentBackgroundConfig(Data):
    """No background, where the format holds an alpha. `transparent` alone is short for this."""

    type: Literal["transparent"]


class ImageBackgroundConfig(Data):
    """A picture that covers the frame: scaled in its own proportions, and cropped."""

    type: Literal["image"]
    path: LocalPath
    """The picture."""


class VideoBackgroundConfig(Data):
    """A video that repeats and covers the frame: scaled in its own proportions, and cropped."""

    type: Literal["video"]
    path: LocalPath
    """The video file; its sound is not used."""


class BlurBackgroundConfig(Data):
    """The room itself, blurred. Viewers can still guess at it."""

    type: Literal["blur"]
    strength: float = Field(0.5, gt=0, le=1)
    """How much it is blurred; it looks the same at every frame size."""


class PixelateBackgroundConfig(Data):
    """The room itself in blocks. Viewers can still guess at it."""

    type: Literal["pixelate"]
    block_px: int = Field(32, ge=2, le=512)
    """Side of a block in pixels."""


class DimBackgroundConfig(Data):
    """The room itself, darker."""

    type: Literal["dim"]
    keep: float = Field(0.3, ge=0, le=1)
    """The share of its light that is left: 0 is black, 1 the room as it is."""


_Named = Literal["transparent", "blur", "pixelate", "dim"]
"""Types that need nothing more than their name."""


def _spelt_out(background: Any) -> Any:
    """The mapping that a one-word *background* stands for."""
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
"""A colour, the name of a type with its defaults, or a mapping of a `type` and its options."""


class OverlayConfig(Data):
    """How the panel `overlay` marks the mask on the frame."""

    colour: Colour = "green"
    opacity: float = Field(0.5, gt=0, le=1)
    """How strong the colour is; 1 hides the frame where the mask is."""


class LightWrapConfig(Data):
    """Lets the background's light spill over the subject's edges, in composites."""

    strength: float = Field(0.3, gt=0, le=1)
    """How much light."""
    radius_px: int = Field(12, ge=1, le=128)
    """How far the light reaches into the subject, in pixels."""


class DespillConfig(Data):
    """Removes the light that a coloured wall throws on the subject."""

    colour: Literal["green", "blue"] = "green"
    """Colour of the wall."""
    strength: float = Field(1.0, gt=0, le=1)
    """How much of the light is removed."""


class ComposeConfig(Data):
    """How cutouts, composites and the overlay are made."""

    cutout: Literal["rgb_on_black", "rgba"] = "rgb_on_black"
    """`rgb_on_black`: the foreground on black, black where the mask is 0; `rgba`: the colours
    with the soft alpha, where the format holds one."""
    background: BackgroundConfig = ColourBackgroundConfig(type="colour", colour="black")
    """Background of composites: `black`, `white`, `green` (of a green screen), `"#rrggbb"`;
    `transparent`, where the format holds an alpha; `blur`, `pixelate` or `dim`, of the room itself;
    or a mapping such as `{type: image, path: beach.jpg}`."""
    colours: Literal["plain", "clean"] = "plain"
    """Colours of soft edges. `plain`: the frame's own, in which the room shines through; `clean`:
    an estimate of the foreground's alone."""
    despill: DespillConfig | None = None
    light_wrap: LightWrapConfig | None = None
    overlay: OverlayConfig = OverlayConfig()
