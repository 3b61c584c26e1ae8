"""
Colour profiles (ICC), through LittleCMS.

A picture with an RGB profile keeps it, and its values are never touched. Pictures in other spaces
(CMYK, grey, Lab) are converted to sRGB and lose their profile: no profile means sRGB.
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
"""Errors for a profile that is damaged, or made for another kind of picture."""


def space(profile: bytes) -> str | None:
    """The colour space of *profile*, such as `RGB`, `CMYK` or `GRAY`; None if unreadable."""
    if not profile:
        return None
    try:
        return _parsed(profile).profile.xcolor_space.strip()
    except _REFUSALS:
        return None


def as_srgb(picture: Pillow.Image, profile: bytes) -> Pillow.Image:
    """
    Convert *picture*, whose mode *profile* is for, to sRGB: mode RGB.

    If the profile does not fit the picture, it is converted by its mode alone.
    """
    try:
        return _turn(picture, _parsed(profile), ImageCms.createProfile("sRGB"))
    except _REFUSALS:
        return picture.convert("RGB")


def deep_grey_as_srgb(image: Deep, profile: bytes) -> Deep:
    """
    Convert *image*, (H, W, 3) uint16 with equal channels, from a grey *profile* to sRGB; new.

    LittleCMS converts 256 levels; those in between are interpolated.
    """
    levels = Pillow.frombytes("L", (256, 1), bytes(range(256)))
    lit = np.asarray(as_srgb(levels, profile))[0, :, 1] * 257.0
    curve = np.interp(np.arange(65536), np.arange(256) * 257, lit).round().astype(np.uint16)
    return cv2.cvtColor(curve[image[..., 0]], cv2.COLOR_GRAY2BGR)


def from_lab(picture: Pillow.Image) -> Pillow.Image:
    """Convert a *picture* of mode LAB (CIE L*a*b*, D50) to sRGB: mode RGB."""
    return _turn(picture, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"))


def to_srgb(image: Image, profile: bytes) -> Image:
    """Convert *image*, (H, W, 3) uint8 BGR, from the RGB space of *profile* to sRGB."""
    return _converted(image, _parsed(profile), ImageCms.createProfile("sRGB"))


def out_of_srgb(image: Image, profile: bytes) -> Image:
    """Convert *image*, (H, W, 3) uint8 BGR, from sRGB to the RGB space of *profile*."""
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
