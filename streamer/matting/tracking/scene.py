"""What the pictures alone tell: a cut, darkness, something new."""

from __future__ import annotations

import cv2
import numpy as np

from streamer.frame import Alpha
from streamer.matting.tracking.flow import Residual
from streamer.matting.tracking.luma import Luma, mean_difference

_CUT_STEP = 14.0
"""Mean change from one frame to the next, in grey levels, that a cut has at least."""
_CUT_SHARE = 0.45
"""Of the picture that no flow explains after a cut."""
_UNEXPLAINED = 14.0
"""Grey levels of residual that no flow explains."""
_DARK = 12.0
"""Mean luma of a covered camera or a room without light."""
_FLAT = 3.0
"""Standard deviation of luma below which there is nothing to see."""
_GOOD = 40.0
"""Standard deviation of luma in good light; levels here are meant for it."""
_LEAST = 0.4
"""Of them, in any light: there is noise."""
_INNER = cv2.getStructuringElement(cv2.MORPH_RECT, (19, 19))
"""What is taken off `Key.near`, so that a subject without what is around it is left."""
_KERNEL = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))
"""A pixel and its neighbours."""
_TEXTURE = 6.5
"""
Mean grey levels from a pixel to its neighbours, without noise: a plain wall has 1 to 4, a furnished
room 5 to 12, grass and bricks 15 to 30.
"""
_NEW_SHARE = 0.004
"""Of the picture that is unexplained where something has come in."""


def is_blind(luma: Luma) -> bool:
    """Whether the camera is covered or the light is off: nothing could be told apart."""
    mean, deviation = cv2.meanStdDev(luma)
    # One in the light before a black wall has a dark mean too, but not an even one.
    return bool(deviation[0, 0] < (_DARK if mean[0, 0] < _DARK else _FLAT))


def contrast(luma: Luma) -> float:
    """How much pictures like *luma* differ, as a share of what they do in good light: to 1."""
    _, deviation = cv2.meanStdDev(luma)
    return float(np.clip(deviation[0, 0] / _GOOD, _LEAST, 1.0))


def is_cut(before: Luma, luma: Luma, residual: Residual, near: Alpha | None = None) -> bool:
    """
    Whether *luma* is of another scene than the picture *before*, given its way to a key.

    Where a subject is known, which is within *near*, (h, w) uint8, not 0, it must be unexplained as
    well: the street behind it may change as it likes.
    """
    scale = contrast(luma)
    if mean_difference(before, luma) < _CUT_STEP * scale:
        return False
    if near is not None and explains_subject(luma, residual, near):
        return False
    share = float(np.count_nonzero(residual > _UNEXPLAINED * scale)) / residual.size
    return share > _CUT_SHARE


def explains_subject(luma: Luma, residual: Residual, near: Alpha) -> bool:
    """Whether a subject that is within *near* is where *residual*, of the way to it, is small."""
    inner = np.asarray(cv2.erode(near, _INNER), np.uint8)
    if not inner.any():
        return False
    return unexplained(residual, inner) < _UNEXPLAINED * contrast(luma)


def unexplained(residual: Residual, weight: Alpha) -> float:
    """The mean residual in grey levels where *weight*, (h, w) uint8, is not 0; 0 where it is."""
    return float(cv2.mean(residual, mask=weight)[0])


def has_texture(luma: Luma, subject: Alpha, near: Alpha) -> bool:
    """
    Whether *luma* is full of edges around a *subject*, within *near*: both (h, w), not 0 there.

    Flow at the rim holds on to these then, and not to the subject.
    """
    around = cv2.subtract(near, cv2.dilate(subject, _KERNEL))
    edges = cv2.morphologyEx(cv2.blur(luma, (3, 3)), cv2.MORPH_GRADIENT, _KERNEL)
    return bool(cv2.mean(edges, mask=around)[0] > _TEXTURE)


def new_share(residual: Residual, near: Alpha) -> float:
    """Share of the picture in which something came where *near*, (h, w) uint8, is 0."""
    fresh = (residual > 2 * _UNEXPLAINED) & (near == 0)
    return float(np.count_nonzero(fresh)) / residual.size


def is_new(residual: Residual, near: Alpha) -> bool:
    """Whether something came in away from the subjects, which are *near*."""
    return new_share(residual, near) > _NEW_SHARE
