"""Places that a quick look took for a subject, but a look at the whole frame did not."""

from __future__ import annotations

import math

import cv2
import numpy as np

from streamer.frame import Alpha
from streamer.matting.tracking.keys import Key
from streamer.matting.tracking.luma import Colours

_SEEN = 64
"""The least alpha of a place that counts as a subject's."""
_BESIDE_PX = 5
"""Side of the area around a subject's pixel in which nothing is denied."""
_REACH_PX = 13
"""Side of the area around a denied place that belongs to the same thing."""
_CHANGED = 22
"""If a place differs by so many levels from when it was denied, something else is there."""
_MOSTLY, _JOINED = 0.5, 0.2
"""A patch is cleared if more than the first share was denied, and less than the second is known."""
_OLD_S = 10.0
"""Seconds after which denied places are looked at again."""


class Denials:
    """
    Remembers the places of one scene that are no subject, and how they looked.

    For one thread: the one in which the model runs.

    Args:
        size: (h, w) of the small pictures.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._noted_s = -math.inf
        """When the whole frame was last looked at for this, by the frames' time."""
        self._scene = 0
        self._denied: Alpha = np.zeros(size, np.uint8)
        self._colours: Colours = np.zeros((*size, 3), np.uint8)
        self._reach = cv2.getStructuringElement(cv2.MORPH_RECT, (_REACH_PX, _REACH_PX))
        self._rim = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))
        self._beside = cv2.getStructuringElement(cv2.MORPH_RECT, (_BESIDE_PX, _BESIDE_PX))

    def are_old(self, key: Key) -> bool:
        """Whether denied places need a new look as of *key*; forgets those of another scene."""
        if key.scene != self._scene:
            self._scene, self._noted_s = key.scene, -math.inf
            self._denied.fill(0)
        return key.pts_s - self._noted_s >= _OLD_S and bool(self._denied.any())

    def claimed(self, rough: Alpha | None) -> Alpha:
        """What a *rough* alpha, (H, W), shows, plus what was denied: (h, w) of 0 and 255."""
        if rough is None:
            return self._denied.copy()
        return np.asarray(cv2.max(self._denied, self._seen(rough)), np.uint8)

    def note(self, claimed: Alpha, whole: Alpha, key: Key) -> None:
        """
        Deny what is *claimed*, (h, w), but not in *whole*, (H, W), the model's answer for *key*.

        Places in *whole* are no longer denied.
        """
        self._noted_s = key.pts_s
        np.copyto(self._denied, cv2.subtract(claimed, self._around(whole)))
        np.copyto(self._colours, key.colours)

    def clear(self, alpha: Alpha, key: Key) -> None:
        """
        Set *alpha*, (H, W), of the frame of *key*, to 0 where there is no subject.

        Cleared are denied places that look as they did; patches away from known subjects that are
        mostly in or near denied places, as chairs turn; and, in a glance, what looks like the room
        in patches that extend a known subject.
        """
        if not (self._denied.any() or key.is_glance):
            return
        gaps = cv2.absdiff(key.colours, self._colours).max(axis=2)
        out = np.where(gaps < _CHANGED, self._denied, np.uint8(0))
        if key.knows_closely:
            self._clear_around(self._seen(alpha), key, out)
        # The rim goes too, which is soft.
        out = np.asarray(cv2.dilate(out, self._rim), np.uint8)
        height, width = alpha.shape
        large = cv2.resize(out, (width, height), interpolation=cv2.INTER_LINEAR)
        cv2.subtract(alpha, large, dst=alpha)

    def _clear_around(self, seen: Alpha, key: Key, out: Alpha) -> None:
        """Add to *out* what is *seen* around known subjects but is none; all (h, w)."""
        left = np.asarray(cv2.subtract(seen, out), np.uint8)
        count, patches = cv2.connectedComponents(left, connectivity=8)
        sizes = np.bincount(patches.ravel(), minlength=count)
        near = cv2.dilate(self._denied, self._reach) > 0
        denied = np.bincount(patches[near], minlength=count)
        around = self._around(key.known) > 0
        joined = np.bincount(patches[around], minlength=count)
        gone = (denied > _MOSTLY * sizes) & (joined < _JOINED * sizes)
        out[gone[patches] & (left > 0)] = 255
        if key.is_glance:
            claimed = (joined > 0)[patches] & (left > 0) & ~around
            old = np.where(claimed, key.room, np.uint8(0))
            cv2.morphologyEx(old, cv2.MORPH_OPEN, self._beside, dst=old)
            out[old > 0] = 255

    def _seen(self, alpha: Alpha) -> Alpha:
        """Where *alpha* has a subject: (h, w) of 0 and 255."""
        small = cv2.resize(alpha, self._denied.shape[::-1], interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.threshold(small, _SEEN, 255, cv2.THRESH_BINARY)[1], np.uint8)

    def _around(self, alpha: Alpha) -> Alpha:
        """Where *alpha* has a subject, or is close to one: (h, w) of 0 and 255."""
        return np.asarray(cv2.dilate(self._seen(alpha), self._beside), np.uint8)
