"""One picture in memory, with the bit depth of its file."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from streamer.frame import Alpha, Image
from streamer.pictures.colour import Deep, to_srgb

ANIMATION = "an animation"
"""`Photo.more` of a file whose pictures follow each other in time."""
PAGES = "several pages"


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """
    A picture as it is meant to be seen: upright, its first frame, its colours as stored.

    Attributes:
        colours: (H, W, 3) uint8 or uint16 BGR, in the space of `profile`, C-contiguous.
        alpha: (H, W) of the same type, its own transparency; None if it has none.
        profile: an ICC profile of an RGB space; empty: sRGB.
        exif: its EXIF as far as kept, a TIFF structure; empty: none.
        more: what else its file holds: `ANIMATION`, `PAGES`, or empty for nothing.
    """

    colours: Deep
    alpha: Deep | None = None
    profile: bytes = b""
    exif: bytes = b""
    more: str = ""

    def __repr__(self) -> str:
        height, width = self.colours.shape[:2]
        own = "" if self.alpha is None else ", with alpha"
        return f"Photo({width}x{height}, {self.colours.dtype}{own})"

    def plain(self) -> Image:
        """The colours, (H, W, 3) uint8 BGR; the photo's own array if it has 8 bits."""
        return eight_bit(self.colours)

    def seen(self) -> Image:
        """
        What a model or a viewer sees: (H, W, 3) uint8 BGR in sRGB, C-contiguous.

        Transparent parts are blended on black, so that their hidden colours never show. May be
        the photo's own array.
        """
        image = self.plain()
        if self.profile:
            image = to_srgb(image, self.profile)
        if self.alpha is None:
            return image
        alpha = cv2.cvtColor(eight_bit(self.alpha), cv2.COLOR_GRAY2BGR)
        lit: Image = cv2.multiply(image, alpha, dst=alpha, scale=1 / 255)  # type: ignore[assignment]
        return lit


def eight_bit(values: Deep) -> Alpha:
    """Convert *values* to uint8 (65535 becomes 255); the same array if they are uint8 already."""
    if values.dtype == np.uint8:
        return values
    scaled: Alpha = cv2.convertScaleAbs(values, alpha=1 / 257)  # type: ignore[assignment]
    return scaled
