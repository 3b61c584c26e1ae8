"""
Colour profiles (ICC), through LittleCMS.

A picture keeps a profile of an RGB space as it is: its numbers are never touched. What is in
another space (CMYK, grey, Lab) becomes sRGB, and has no profile then: without one, sRGB is meant.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms

from streamer.frame import Image

if TYPE_CHECKING:
    from PIL._imagingcms import CmsProfile

    _Profile = ImageCms.ImageCmsProfile | CmsProfile

Deep = NDArray[Any]
"""An array of uint8, or of uint16 where the file has 16 bits a channel."""

_REFUSALS = (ImageCms.PyCMSError, OSError, ValueError)
"""What LittleCMS raises of a profile that is damaged, or made for pictures of another kind."""


def space(profile: bytes) -> str | None:
    """The colour space of a *profile* that can be read, such as `RGB`, `CMYK` or `GRAY`."""
    if not profile:
        return None
    try:
        return _parsed(profile).profile.xcolor_space.strip()
    except _REFUSALS:
        return None


def as_srgb(picture: Pillow.Image, profile: bytes) -> Pillow.Image:
    """
    *picture*, of the mode that *profile* is for, in sRGB: mode RGB.

    Where the profile does not fit the picture, its mode alone says what is meant.
    """
    try:
        return _turn(picture, _parsed(profile), ImageCms.createProfile("sRGB"))
    except _REFUSALS:
        return picture.convert("RGB")


def deep_grey_as_srgb(image: Deep, profile: bytes) -> Deep:
    """
    *image*, (H, W, 3) uint16 whose channels are one grey, by a grey *profile* in sRGB; new.

    LittleCMS has a path for 8 bits only: the levels between those are interpolated.
    """
    levels = Pillow.frombytes("L", (256, 1), bytes(range(256)))
    lit = np.asarray(as_srgb(levels, profile))[0, :, 1] * 257.0
    curve = np.interp(np.arange(65536), np.arange(256) * 257, lit).round().astype(np.uint16)
    return cv2.cvtColor(curve[image[..., 0]], cv2.COLOR_GRAY2BGR)


def from_lab(picture: Pillow.Image) -> Pillow.Image:
    """A *picture* of mode LAB (CIE L*a*b*, D50) in sRGB: mode RGB."""
    return _turn(picture, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"))


def to_srgb(image: Image, profile: bytes) -> Image:
    """*image*, (H, W, 3) uint8 BGR in the RGB space of *profile*, in sRGB."""
    return _converted(image, _parsed(profile), ImageCms.createProfile("sRGB"))


def out_of_srgb(image: Image, profile: bytes) -> Image:
    """*image*, (H, W, 3) uint8 BGR in sRGB, in the RGB space of *profile*."""
    return _converted(image, ImageCms.createProfile("sRGB"), _parsed(profile))


def _converted(image: Image, source: _Profile, target: _Profile) -> Image:
    rgb = Pillow.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    try:
        turned = np.asarray(_turn(rgb, source, target))
    except _REFUSALS:
        return image
    bgr: Image = np.ascontiguousarray(turned[..., ::-1])
    return bgr


def _turn(picture: Pillow.Image, source: _Profile, target: _Profile) -> Pillow.Image:
    transform = ImageCms.buildTransform(source, target, picture.mode, "RGB")
    return transform.apply(picture)


def _parsed(profile: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))
