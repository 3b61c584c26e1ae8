"""Show the model the right parts of a key frame, and make one alpha of its answers."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamer.core.boxes import Box
from streamer.frame import Alpha, Image
from streamer.matting.tracking.blending import Blender
from streamer.matting.tracking.denials import Denials
from streamer.matting.tracking.effort import Effort, View
from streamer.matting.tracking.keys import Key
from streamer.matting.tracking.scene import has_texture
from streamer.matting.tracking.subject import Crop, CropPlanner, find_subjects, touches
from streamer.protocols import Segmenter

_GLANCE_PX = 512


class Looker:
    """
    Makes the alphas of key frames of one size.

    Args:
        segmenter: borrowed.
        key: one like those to come, for its sizes.
        effort: how finely the model looks.
        hasty: new subjects are shown as a glance saw them, and looked at closely afterwards.
    """

    def __init__(
        self, segmenter: Segmenter, key: Key, effort: Effort, *, hasty: bool = False
    ) -> None:
        self._segmenter = segmenter
        self._hasty = hasty
        height, width = key.alpha.shape
        self._sizes = {max(size): size for size in segmenter.sizes}
        self._sides = list(self._sizes)
        self._effort = effort
        self._planner = CropPlanner(height, width, self._sides, effort.detail, enlarge=effort.exact)
        self._whole_is_fine = self._sides[-1] >= effort.detail * max(height, width)
        """A look at the whole frame shows as much detail as its crops would."""
        self._glanced = False
        """The last search used a smaller input than the largest."""
        self._denials = Denials(key.luma.shape)
        self._blender = Blender(key.alpha.shape, key.luma.shape)
        self._part: Alpha = np.empty_like(key.alpha)
        self._whole: Alpha = np.empty_like(key.alpha)

    def look(self, key: Key, image: Image, view: View) -> None:
        """
        Fill the alpha of *key* and all that follows from it, from *image* and `key.known`.

        Raises:
            SegmentError: inference failed; the alpha is undefined.
        """
        if view == "alone":
            self._search(image, glance=False)
            key.is_glance, key.is_rough, key.is_coarse = False, False, True
            np.copyto(key.alpha, self._whole)
            self._finish(key)
            return
        known = self._subjects(key.known) if key.has_known else []
        if self._hasty and self._denials.are_old(key):
            view = "whole"
        searched = view != "crops" or not known
        key.is_glance = key.is_coarse = False
        found = self._find(key, image, known, view) if searched else []
        is_whole = self._hasty and searched and not self._glanced
        saw_all = is_whole and self._whole_is_fine and not key.knows_closely
        if is_whole and not key.knows_closely:
            known = []  # the search has settled what a glance took for a subject
        may_be_rough = self._hasty and view == "glance" and not key.is_doubted
        key.is_rough = bool(found) and not known and may_be_rough and not saw_all
        if key.is_rough or saw_all:
            np.copyto(key.alpha, self._whole)
        else:
            self._look_closely(key, image, known, found, searched=searched)
            if key.knows_closely:
                self._denials.clear(key.alpha, key)
        self._finish(key)

    def price(self, view: View) -> float:
        """What *view* costs, in looks at the whole frame, with the crops that were chosen last."""
        largest = self._sides[-1] ** 2
        crops = sum(crop.side**2 for crop in self._planner.crops) / largest
        match view:
            case "alone":
                return 1.0
            case "crops":
                return crops
            case "whole":
                return 1.0 + crops
            case "glance":
                return self._glance_side() ** 2 / largest + crops

    def _subjects(self, alpha: Alpha) -> list[Box]:
        """The subjects in *alpha*. Live, people far away do not count: a fleck may be anything."""
        return find_subjects(alpha, small_too=not self._hasty)

    def _find(self, key: Key, image: Image, known: list[Box], view: View) -> list[Box]:
        """
        Find the subjects in the whole *image*; the model's answer is then in `_whole`.

        Live, denied places are not found again, nor what looks like the room beside known
        subjects: a small input takes furniture for subjects, and so does a crop around it alone.
        """
        found = self._search(image, glance=view == "glance")
        key.is_glance = self._glanced
        if not self._hasty:
            return found
        if view == "whole":
            rough = key.known if known and not key.knows_closely else None
            self._denials.note(self._denials.claimed(rough), self._whole, key)
        else:
            self._denials.clear(self._whole, key)
            return self._subjects(self._whole)
        return found

    def _look_closely(
        self, key: Key, image: Image, known: list[Box], found: list[Box], *, searched: bool
    ) -> None:
        """Write the model's answers for crops around the subjects into the alpha of *key*."""
        subjects = found or known
        if key.knows_closely:
            # Known subjects are looked at even if the search missed them: it may have failed.
            subjects = found + [box for box in known if not any(map(box.overlaps, found))]
        crops = self._planner.follow(subjects)
        complete = self._look_at(crops, image, key.alpha)
        widened = bool(known) and not complete
        if widened:
            if searched:
                subjects = [*subjects, *known]
            else:
                subjects = self._search(image, glance=self._effort.search == "glance") or known
                searched = True
            if (wider := self._planner.follow(subjects)) != crops:
                self._look_at(wider, image, key.alpha)
        if widened and self._hasty:
            return
        if key.knows_closely and self._is_doubtful(key):
            if not searched:
                self._search(image, glance=self._effort.search == "glance")
            self._blender.agree(key.alpha, self._whole, key.known)
        elif searched and not (self._hasty or self._glanced or key.knows_closely):
            for crop in self._planner.crops:
                self._blender.defer(key.alpha, self._whole, crop.box)

    def _finish(self, key: Key) -> None:
        """Complete *key* with all that follows from its alpha."""
        key.is_empty = not self._subjects(key.alpha)
        if key.is_empty:
            key.alpha.fill(0)
        elif key.knows_closely:
            self._blender.settle(key.alpha, key.known, key.calm)
        key.outline()
        key.has_texture = self._effort.exact and has_texture(key.luma, key.faint, key.near)

    def _is_doubtful(self, key: Key) -> bool:
        """Whether the alpha differs so much from the known one that the model may have failed."""
        gap = cv2.norm(key.alpha, key.known, cv2.NORM_L1)
        return gap > self._effort.doubtful * cv2.norm(key.known, cv2.NORM_L1)

    def _search(self, image: Image, *, glance: bool) -> list[Box]:
        side = self._glance_side() if glance else self._sides[-1]
        self._glanced = glance and side < self._sides[-1]
        self._segmenter.segment(image, self._whole, self._sizes[side])
        return self._subjects(self._whole)

    def _glance_side(self) -> int:
        return next((side for side in self._sides if side >= _GLANCE_PX), self._sides[-1])

    def _look_at(self, crops: Sequence[Crop], image: Image, out: Alpha) -> bool:
        """
        Write the alpha of *crops* into *out*: 0 outside them, the larger value where they overlap.

        Returns False if a subject extends beyond its crop.
        """
        out.fill(0)
        for crop in crops:
            place = crop.box.slices
            part = self._part[place]
            self._segmenter.segment(image[place], part, self._sizes[crop.side])
            cv2.max(out[place], part, dst=out[place])
        return not any(touches(out, crop.box) for crop in crops)
