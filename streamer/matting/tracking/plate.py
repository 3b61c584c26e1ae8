"""
A picture of the empty room (a clean plate), at the size of the luma picture.

Between two answers of the model, it shows at once where a subject has left and where one has come.
While the camera moves, it takes slivers of the room off a subject's rim and tells nothing else.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Alpha
from streamer.matting.tracking.flow import Residual
from streamer.matting.tracking.luma import Colours

_ALIKE = 14
"""Levels by which a place of the room may differ from one key frame to the next."""
_SURE = 2
"""Once so many key frames agree on a place, something that differs there has come."""
_MOST_SURE = 4
_QUIET, _QUIET_NOISE = 5.0, 1.5
"""Levels below which a place is the room, plus so many per level of noise."""
_NEW, _NEW_NOISE = 22.0, 3.0
"""Levels above which a place is not the room, plus so many per level of noise."""
_BETTER = 6.0
"""Levels by which the room must explain a place better than the flow does."""
_AS_GOOD, _AS_GOOD_NOISE = 4.0, 2.0
"""Levels by which the room may explain a place worse than the flow and still be seen there; or so
many per level of noise, if that is more."""
_EXPLAINED, _EXPLAINED_NOISE = 2.5, 1.0
"""Levels of residual up to which the flow explains a place, whatever else does; in noise, so many
per level of it where that is more."""
_DEEP_PX, _SUBJECT_AT = 4, 128
"""A place is deep in a subject if it is so far from its edge, which is at this alpha."""
_SHOWN = 10
"""An alpha above this can be seen."""
_STANDS = (6, 18)
"""Most levels that 50 % and 85 % of the room may differ by; above either, the camera moves."""
_REACH_PX = 13
_BINS = 4
"""Bits of each colour in the histograms."""
_LIKE = 0.6
"""Least share of a colour's pixels that belonged to subjects, for a subject's colour."""
_SUBJECT = 200
"""An alpha of what is certainly a subject."""
_KNOWN = 96
"""Above this alpha, a place is the subject's already."""
_OLD_SHARE = 0.7
"""If more than this share of a patch looks like the room, it is the room."""
_COME_SHARE = 0.004
"""Least share of the picture that something which has come in covers."""
_SAME_SHARE = 0.85
"""If more than this share of a patch looks as it did before, it has not moved."""
_MOVED_SHARE = 0.25
"""If more than this share of what has come in a subject's colours has gone, the camera moves."""
_LEAST_PX = 24
"""What has come is a part of a subject if it is joined to at least so many pixels of it."""


class Plate:
    """
    Remembers the empty room of one scene, and the colours of its subjects.

    Args:
        size: (h, w) of the small pictures.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._room: Colours = np.zeros((*size, 3), np.uint8)
        self._sure = np.zeros(size, np.uint8)
        """How many key frames in a row agreed; 0 where the room was never seen."""
        self._gaps: Colours = np.empty((*size, 3), np.uint8)
        self._gap = np.empty(size, np.uint8)
        self._kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))
        deep = 2 * _DEEP_PX + 1
        self._deep = cv2.getStructuringElement(cv2.MORPH_RECT, (deep, deep))
        self._around = cv2.getStructuringElement(cv2.MORPH_RECT, (_REACH_PX, _REACH_PX))
        colours = 1 << (3 * _BINS)
        self._of_subjects = np.zeros(colours, np.float32)
        self._of_room = np.zeros(colours, np.float32)
        self._is_like = np.zeros(colours, np.bool_)
        self._room_is_like = np.zeros(size, np.bool_)
        """Where the room has a subject's colours."""

    def forget(self) -> None:
        """Start anew for another scene."""
        self._sure.fill(0)
        self._of_subjects.fill(0)
        self._of_room.fill(0)
        self._is_like.fill(False)
        self._room_is_like.fill(False)

    def learn(self, colours: Colours, subject: Alpha, near: Alpha) -> None:
        """
        Take in a key frame.

        Args:
            colours: (h, w, 3) of its picture.
            subject: (h, w) uint8, its alpha.
            near: (h, w) uint8, 0 where there is certainly the room.
        """
        away = near == 0
        self._compare(colours)
        alike = self._gap <= _ALIKE
        known = self._sure > 0
        np.add(self._sure, 1, out=self._sure, where=away & alike & known)
        np.minimum(self._sure, _MOST_SURE, out=self._sure)
        other = away & ~(alike & known)
        # What differs once may be somebody whom the model has missed: the room stays as it was.
        kept = other & (self._sure >= _SURE)
        np.copyto(self._room, colours, where=(away & ~kept)[..., None])
        self._sure[other] = 1
        # A subject that was taken for the room is forgotten.
        self._sure[alike & known & (subject > _SUBJECT)] = 0
        bins = self._bins(colours)
        for counts, here in ((self._of_subjects, subject > _SUBJECT), (self._of_room, away)):
            if not here.any():
                continue  # who has left may come back
            np.multiply(counts, 0.5, out=counts)
            counts += np.bincount(bins[here], minlength=len(counts))
        share = self._of_subjects / np.maximum(self._of_subjects + self._of_room, 1e-6)
        np.greater_equal(share, _LIKE, out=self._is_like)
        self._room_is_like = self._is_like[self._bins(self._room)] & (self._sure > 0)

    def find_room(self, colours: Colours, out: Alpha) -> None:
        """Set *out*, (h, w), to 255 where *colours*, (h, w, 3), shows the room, and 0 elsewhere."""
        self._compare(colours)
        np.copyto(out, _mask((self._sure > 0) & (self._gap <= _ALIKE)))

    def strangers(self, colours: Colours, subject: Alpha) -> Alpha | None:
        """
        Find the patches of a supposed *subject* that are not the room.

        Args:
            colours: (h, w, 3) of its picture.
            subject: (h, w) uint8, its alpha.

        Returns:
            (h, w) uint8, 255 in and near these patches; None if no patch is the room.
        """
        self._compare(colours)
        here = subject > _KNOWN
        known = here & (self._sure >= _SURE) & (self._gap < _NEW)
        old = _patches(_mask(here), known, _OLD_SHARE)
        if not old.any():
            return None
        others = _mask(~old & here)
        return np.asarray(cv2.dilate(others, self._around), np.uint8)

    def has_newcomer(self, colours: Colours) -> bool | None:
        """
        Whether something has come into the empty room. Call this only while nobody is known.

        Args:
            colours: (h, w, 3) of the frame.

        Returns:
            None if the room is not known, or the camera moves.
        """
        self._compare(colours)
        found = self._newcomer(self._is_like[self._bins(colours)])
        if found is None:
            return None
        area = cv2.countNonZero(cv2.morphologyEx(found, cv2.MORPH_OPEN, self._kernel))
        return area >= _COME_SHARE * found.size

    def returned(self, colours: Colours, nobody: Colours | None = None) -> Alpha | None:
        """
        Find what is not the room, and has the colours of an earlier subject.

        Args:
            colours: (h, w, 3) of the frame.
            nobody: (h, w, 3) of a frame in which the model saw nobody: patches that look the same
                in both are ignored.

        Returns:
            (h, w) uint8 of 0 and 255; None if nothing is found, or the camera moves.
        """
        self._compare(colours)
        is_like = self._is_like[self._bins(colours)]
        found = self._newcomer(is_like)
        if found is None:
            return None
        like: Alpha = np.asarray(
            cv2.morphologyEx(cv2.bitwise_and(found, _mask(is_like)), cv2.MORPH_OPEN, self._kernel),
            np.uint8,
        )
        if nobody is not None:
            cv2.absdiff(colours, nobody, dst=self._gaps)
            same = _patches(like, _largest(self._gaps) <= _NEW, _SAME_SHARE)
            like[same] = 0
            found[cv2.dilate(_mask(same), self._around) > 0] = 0
        area = cv2.countNonZero(like)
        if area < _COME_SHARE * like.size:
            return None
        # If a thing of the room is missing where it was, it has moved here with the camera.
        away = np.count_nonzero(self._room_is_like & ~is_like & (self._gap > _NEW))
        if away > _MOVED_SHARE * area:
            return None
        # Include what is beside it: a face may have the room's colours.
        beside = cv2.bitwise_and(cv2.dilate(like, self._around), found)
        return np.asarray(cv2.morphologyEx(beside, cv2.MORPH_CLOSE, self._kernel), np.uint8)

    def _newcomer(self, is_like: NDArray[np.bool_]) -> Alpha | None:
        """Where the picture is not the room, (h, w) uint8; None as in `has_newcomer`."""
        known = self._sure > 0
        noise = self._noise(known & ~is_like)
        return None if noise is None else _mask((self._gap > _NEW + _NEW_NOISE * noise) & known)

    def tell(
        self, colours: Colours, alpha: Alpha, near: Alpha, residual: Residual
    ) -> tuple[Alpha, Alpha]:
        """
        Find where the room is seen instead of the subject, and where the subject has come to.

        Args:
            colours: (h, w, 3) of the frame.
            alpha: (h, w) uint8, carried to the frame.
            near: (h, w) uint8, carried to the frame; 0 away from the subject.
            residual: (h, w), what the flow leaves unexplained.

        Returns:
            Two masks, (h, w) uint8 of 0 and 255. The second is empty if the room is not known, or
            the camera moves.
        """
        known = self._sure > 0
        self._compare(colours)
        is_like = self._is_like[self._bins(colours)]
        noise = self._noise(known & (near == 0) & ~is_like)
        seen = self._seen(alpha, residual, noise)
        if noise is None:
            return seen, np.zeros_like(seen)
        gap = cv2.blur(self._gap, (3, 3))
        gone = known & (gap < _QUIET + _QUIET_NOISE * noise) & (residual > gap + _BETTER)
        differs = (gap > _NEW + _NEW_NOISE * noise) & (self._sure >= _SURE)
        come = differs & is_like
        # If the key frame shows it too, it was there before, and the model has judged it. Around
        # something that has come the flow fails, if not at each place of it.
        failed = cv2.dilate(_mask(come & (residual > _BETTER)), self._around)
        came = _mask(come & (failed > 0))
        cv2.morphologyEx(came, cv2.MORPH_CLOSE, self._kernel, dst=came)
        # Without what is known, and the rim of one pixel that would be left around it.
        came[alpha > _KNOWN] = 0
        cv2.morphologyEx(came, cv2.MORPH_OPEN, self._kernel, dst=came)
        return _mask(gone) | seen, _beside(came, alpha)

    def _seen(self, alpha: Alpha, residual: Residual, noise: float | None) -> Alpha:
        """
        Find where *alpha* shows the room, after `_compare`; returns a mask of 0 and 255.

        Deep in a subject, a place that the flow explains as well is left as it is: the subject may
        wear the room's colours. While the camera moves (*noise* is None), everything deep in a
        subject is left, since the room may look like it by chance. All arrays are (h, w).
        """
        as_good = residual + max(_AS_GOOD, _AS_GOOD_NOISE * (noise or 0.0))
        explained = (self._sure > 0) & (self._gap <= _ALIKE) & (self._gap <= as_good)
        deep = cv2.erode(alpha, self._deep) > _SUBJECT_AT
        if noise is not None:
            deep &= residual <= max(_EXPLAINED, _EXPLAINED_NOISE * noise)
        seen = _mask(explained & ~deep)
        cv2.morphologyEx(seen, cv2.MORPH_OPEN, self._kernel, dst=seen)
        seen[cv2.dilate(alpha, self._kernel) <= _SHOWN] = 0
        return seen

    def _noise(self, room: NDArray[np.bool_]) -> float | None:
        """The median of `_gap` in *room*, (h, w); None if that is too small or the camera moves."""
        count = np.count_nonzero(room)
        if count < 0.1 * room.size:
            return None
        counts = cv2.calcHist([self._gap], [0], _mask(room), [256], [0, 256]).cumsum()
        noise, most = (float(np.searchsorted(counts, share * count)) for share in (0.5, 0.85))
        return None if noise > _STANDS[0] or most > _STANDS[1] else noise

    def _compare(self, colours: Colours) -> None:
        """Write the difference from the room, the largest of the three channels, into `_gap`."""
        cv2.absdiff(colours, self._room, dst=self._gaps)
        self._gap = _largest(self._gaps)

    @staticmethod
    def _bins(colours: Colours) -> NDArray[np.uint16]:
        """The bin of the histograms that each place belongs to."""
        part = colours >> (8 - _BINS)
        blue, green, red = (part[..., channel].astype(np.uint16) for channel in range(3))
        return np.asarray((blue << (2 * _BINS)) | (green << _BINS) | red, np.uint16)


def _beside(came: Alpha, alpha: Alpha) -> Alpha:
    """The part of *came* that is joined to the subject in *alpha*; both (h, w) uint8."""
    subject = _mask(alpha > _KNOWN)
    _, labels = cv2.connectedComponents(cv2.bitwise_or(came, subject), connectivity=8)
    counts = np.bincount(labels[subject > 0], minlength=int(labels.max()) + 1)
    joined = counts >= _LEAST_PX
    joined[0] = False
    return _mask(joined[labels] & (came > 0))


def _patches(mask: Alpha, where: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """The patches of *mask* that are in *where* by more than a *share* of them; all (h, w)."""
    count, patches = cv2.connectedComponents(mask, connectivity=8)
    sizes = np.bincount(patches.ravel(), minlength=count)
    are = np.bincount(patches[where], minlength=count) > share * sizes
    are[0] = False
    return np.asarray(are[patches], np.bool_)


def _largest(gaps: Colours) -> Alpha:
    """The largest of the three channels."""
    blue, green, red = cv2.split(gaps)
    return np.asarray(cv2.max(cv2.max(blue, green), red), np.uint8)


def _mask(where: NDArray[np.bool_]) -> Alpha:
    return np.multiply(where.view(np.uint8), np.uint8(255))
