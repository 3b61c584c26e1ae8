"""What pictures tell without the model: a cut, darkness, something new."""

from __future__ import annotations

import cv2
import numpy as np

from streamer.frame import Alpha
from streamer.matting.tracking.flow import Residual
from streamer.matting.tracking.luma import Luma, mean_difference

_CUT_STEP = 14.0
"""Least mean change from one frame to the next at a cut, in grey levels."""
_CUT_SHARE = 0.45
"""Least share of the picture that flow does not explain after a cut."""
_UNEXPLAINED = 14.0
"""Residual in grey levels above which flow does not explain a place."""
_DARK = 12.0
"""Mean luma of a covered camera or a room without light."""
_FLAT = 3.0
"""Standard deviation of luma below which there is nothing to see."""
_GOOD = 40.0
"""Standard deviation of luma in good light, for which the levels here are meant."""
_LEAST = 0.4
"""Least share of these levels that counts in any light, as there is noise."""
_INNER = cv2.getStructuringElement(cv2.MORPH_RECT, (19, 19))
"""Eroding `Key.near` by this leaves subjects without what is around them."""
_KERNEL = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))
"""A pixel and its neighbours."""
_TEXTURE = 6.5
"""
Mean difference of a pixel and its neighbours in grey levels, without noise: a plain wall has 1 to
4, a furnished room 5 to 12, grass and bricks 15 to 30.
"""
_NEW_SHARE = 0.004
"""If more than this share of the picture is unexplained, something has come in."""


def is_blind(luma: Luma) -> bool:
    """Whether the camera is covered or the light is off: nothing could be told apart."""
    mean, deviation = cv2.meanStdDev(luma)
    # Somebody in the light before a black wall gives a dark mean too, but not an even picture.
    return bool(deviation[0, 0] < (_DARK if mean[0, 0] < _DARK else _FLAT))


def contrast(luma: Luma) -> float:
    """The contrast of *luma* as a share of that in good light, at most 1; scales thresholds."""
    _, deviation = cv2.meanStdDev(luma)
    return float(np.clip(deviation[0, 0] / _GOOD, _LEAST, 1.0))


def is_cut(before: Luma, luma: Luma, residual: Residual, near: Alpha | None = None) -> bool:
    """
    Whether *luma* is of another scene than *before*, given the *residual* of its flow to a key.

    If a subject is known, within *near*, (h, w) uint8, not 0 there, it must be unexplained as well:
    the street behind it may change as it likes.
    """
    scale = contrast(luma)
    if mean_difference(before, luma) < _CUT_STEP * scale:
        return False
    if near is not None and explains_subject(luma, residual, near):
        return False
    share = float(np.count_nonzero(residual > _UNEXPLAINED * scale)) / residual.size
    return share > _CUT_SHARE


def explains_subject(luma: Luma, residual: Residual, near: Alpha) -> bool:
    """Whether *residual*, of the flow to a key, is small at its subject, which is in *near*."""
    inner = np.asarray(cv2.erode(near, _INNER), np.uint8)
    if not inner.any():
        return False
    return unexplained(residual, inner) < _UNEXPLAINED * contrast(luma)


def unexplained(residual: Residual, weight: Alpha) -> float:
    """The mean residual in grey levels where *weight*, (h, w) uint8, is not 0; 0 if all is."""
    return float(cv2.mean(residual, mask=weight)[0])


def has_texture(luma: Luma, subject: Alpha, near: Alpha) -> bool:
    """
    Whether *luma* is full of edges around a *subject*, within *near*: both (h, w), not 0 there.

    Flow at the subject's rim would then follow these edges, not the subject.
    """
    around = cv2.subtract(near, cv2.dilate(subject, _KERNEL))
    edges = cv2.morphologyEx(cv2.blur(luma, (3, 3)), cv2.MORPH_GRADIENT, _KERNEL)
    return bool(cv2.mean(edges, mask=around)[0] > _TEXTURE)


def new_share(residual: Residual, near: Alpha) -> float:
    """Share of the picture with something new where *near*, (h, w) uint8, is 0."""
    fresh = (residual > 2 * _UNEXPLAINED) & (near == 0)
    return float(np.count_nonzero(fresh)) / residual.size


def is_new(residual: Residual, near: Alpha) -> bool:
    """Whether something has come in away from the subjects, which are in *near*."""
    return new_share(residual, near) > _NEW_SHARE
