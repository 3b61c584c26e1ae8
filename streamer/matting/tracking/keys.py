"""Key frames: those whose alpha the model gave, and how the frames around them lead there."""

from __future__ import annotations

import cv2
import numpy as np

from streamer.core.boxes import Box
from streamer.frame import Alpha
from streamer.matting.tracking.edges import EdgeMover
from streamer.matting.tracking.flow import Flow, FlowFinder, Residual
from streamer.matting.tracking.luma import Colours, Luma
from streamer.matting.tracking.scene import is_new, unexplained

_STILL = 2.0
"""Grey levels by which no small area of two pictures may differ if they show the same..."""
_NOISE = 2.0
"""...beyond so many times their mean difference, which noise makes..."""
_NOISY = 8.0
"""...up to so many grey levels; more is a change of the light."""
_ASTRAY, _ASTRAY_PX = 8.0, 4.0
"""Grey levels that a pixel counts for by which a way back leads elsewhere, and how many count."""
_FAINT = 16
"""An alpha up to which a model says so where there is nothing."""
_NEAR = cv2.getStructuringElement(cv2.MORPH_RECT, (13, 13))
"""Of the luma picture, around a subject: what moves there concerns it."""
_AROUND_PX, _STEP_PX = 24, 8
"""Of the luma picture: how far around subjects flow is looked for, and in what steps."""
_MOST_OF = 0.85
"""Of it: a larger part is as good as the whole."""
_CALM_PX = 0.4
"""Of the luma picture."""
_CALM_LEVELS = 10.0


class Key:
    """
    A frame that the model is asked for, and then its alpha; everything is a copy of its own.

    Args:
        size: (H, W) of the frames.
        luma_size: (h, w) of their luma pictures.
    """

    def __init__(self, size: tuple[int, int], luma_size: tuple[int, int]) -> None:
        self.number = 0
        """Of its frame, counted by the matting."""
        self.scene = 0
        self.pts_s = 0.0
        self.luma: Luma = np.empty(luma_size, np.uint8)
        self.colours: Colours = np.empty((*luma_size, 3), np.uint8)
        self.alpha: Alpha = np.empty(size, np.uint8)
        self.known: Alpha = np.empty(size, np.uint8)
        """What the alpha was taken for before the model was asked; if `has_known`."""
        self.shown: Alpha = np.empty(size, np.uint8)
        """What a live stream showed of its frame before the answer came; if `was_shown`."""
        self.was_shown = False
        self.calm: Alpha = np.empty(luma_size, np.uint8)
        """Not 0 where `known` was not carried far, and fits."""
        self.room: Alpha = np.zeros(luma_size, np.uint8)
        """255 where the picture is the room as it was known when the model was asked."""
        self.has_known = False
        self.knows_closely = False
        """What is `known` was looked at closely before."""
        self.older: Key | None = None
        """The key that was the newest when the model was asked for this, and its number then…"""
        self.older_number = 0
        self.back: Flow = np.zeros((*luma_size, 2), np.float32)
        """…and the way there."""
        self.small: Alpha = np.empty(luma_size, np.uint8)
        """255 where there is a subject for the greater part, else 0."""
        self.near: Alpha = np.empty(luma_size, np.uint8)
        """Not 0 where there is a subject, or close to one."""
        self.faint: Alpha = np.empty(luma_size, np.uint8)
        """255 where there is anything of a subject, else 0."""
        self.has_texture = False
        """The picture is full of edges around its subjects; see `scene.has_texture`."""
        self.is_coarse = False
        """Its subjects were not looked at more closely than the whole frame shows them."""
        self.area = 0
        """Pixels of the luma picture that subjects cover, at least faintly."""
        self.is_empty = False
        """There is no subject."""
        self.has_newcomer = False
        """Nobody was known, and something was there that is not the room."""
        self.is_doubted = False
        """What is found is to be looked at closely before it counts."""
        self.is_glance = False
        """Its subjects were looked for in the whole frame with a small input."""
        self.is_rough = False
        """The whole frame was looked at, and its subjects not yet more closely."""

    def outline(self) -> None:
        """Set `small`, `faint`, `near` and `area`, which follow from the alpha."""
        height, width = self.near.shape
        cv2.resize(self.alpha, (width, height), dst=self.near, interpolation=cv2.INTER_AREA)
        cv2.threshold(self.near, 127, 255, cv2.THRESH_BINARY, dst=self.small)
        cv2.threshold(self.near, _FAINT, 255, cv2.THRESH_BINARY, dst=self.near)
        self.area = cv2.countNonZero(self.near)
        np.copyto(self.faint, self.near)
        cv2.dilate(self.near, _NEAR, dst=self.near)

    def blank(self) -> None:
        """Have no subject."""
        self.alpha.fill(0)
        self.small.fill(0)
        self.faint.fill(0)
        self.near.fill(0)
        self.area = 0
        self.is_empty, self.is_rough = True, False

    def keep(self, where: Alpha) -> None:
        """Have no subject where *where*, (h, w) uint8 as the luma picture, is 0."""
        if not where.any():
            self.blank()
            return
        height, width = self.alpha.shape
        kept = cv2.resize(where, (width, height), interpolation=cv2.INTER_NEAREST)
        cv2.bitwise_and(self.alpha, kept, dst=self.alpha)
        share = cv2.countNonZero(self.near)
        cv2.bitwise_and(self.near, where, dst=self.near)
        cv2.bitwise_and(self.small, where, dst=self.small)
        cv2.bitwise_and(self.faint, where, dst=self.faint)
        self.area = self.area * cv2.countNonZero(self.near) // max(share, 1)

    def leads_back(self) -> bool:
        """Whether there is a way `back`, to a key that is still what it was."""
        return self.older is not None and self.older.number == self.older_number


class Lead:
    """
    The way from a frame to a key: flow and residual, in buffers of its own.

    Args:
        size: (h, w) of the luma pictures.
    """

    key: Key

    def __init__(self, size: tuple[int, int]) -> None:
        self.still = False
        """Frame and key show the same: the flow is none."""
        self.flow: Flow = np.zeros((*size, 2), np.float32)
        self.way: Flow = self.flow
        """How alphas go: as the subjects do, at their edges on both sides."""
        self._corrected: Flow = np.zeros((*size, 2), np.float32)
        self.residual: Residual = np.zeros(size, np.float32)
        self.doubt: Residual = np.zeros(size, np.float32)
        """The residual, and more where the key does not lead back; see `weigh`."""
        self.is_bounded = False
        self.reached: Alpha = np.zeros(size, np.uint8)
        """If `is_bounded`: 255 where the key's subjects come out, else 0."""
        self.near: Alpha = np.zeros(size, np.uint8)
        """That of the key, carried to the frame; see `look_around`."""
        self._strain: float | None = None
        self._number = -1
        self._astray: float | None = None
        self._gap: Residual = np.zeros(size, np.float32)
        self._there: Alpha = np.zeros(size, np.uint8)

    def leads_to(self, key: Key) -> bool:
        """Whether it is the way to *key*."""
        return self._number == key.number and self.key is key

    def follow(
        self,
        finder: FlowFinder,
        luma: Luma,
        key: Key,
        guess: Lead | None,
        place: Box | None = None,
        edges: EdgeMover | None = None,
        colours: Colours | None = None,
    ) -> None:
        """
        Lead from *luma* to *key*.

        Args:
            finder: of flow.
            luma: (h, w).
            key: where to.
            guess: a neighbour's way, to begin with.
            place: of the luma picture: if hardly anything changes around it, flow is found only
                there, and none elsewhere.
            edges: corrects `way` where the subjects of *key* have texture around them.
            colours: (h, w, 3) like *luma*, for it.
        """
        if guess is None or not guess.leads_to(key):
            self.flow.fill(0)
        elif guess is not self:
            np.copyto(self.flow, guess.flow)
        self._begin(key)
        finder.difference(luma, key.luma, self.residual)
        noise = float(self.residual.mean())
        self.still = noise <= _NOISY and self.residual.max() <= _STILL + _NOISE * noise
        if self.still:
            self.flow.fill(0)
            return
        if place is not None:
            self.near.fill(0)
            self.near[place.slices] = 255
            if is_new(self.residual, self.near):
                place = None
        finder.find(luma, key.luma, self.flow, place)
        finder.residual(luma, key.luma, self.flow, self.residual)
        if edges is not None and colours is not None and key.has_texture and not key.is_empty:
            np.copyto(self._corrected, self.flow)
            edges.correct(colours, key.colours, self._corrected, key.small)
            self.way = self._corrected

    def look_around(self, finder: FlowFinder) -> float:
        """
        Have `near` be where the subjects are, or close to one.

        Returns:
            Grey levels that are unexplained there.
        """
        if self._strain is None:
            finder.carry(self.key.near, self.flow, self.near)
            self._strain = unexplained(self.residual, self.near)
        return self._strain

    def surroundings(self, finder: FlowFinder) -> Box | None:
        """
        The part of the luma picture, in its pixels, in which flow must follow the subjects.

        Returns:
            A box around them and what is near; None if there are none, or if they fill the picture.
        """
        self.look_around(finder)
        left, top, wide, tall = cv2.boundingRect(self.near)
        if not wide:
            return None
        height, width = self.near.shape
        place = Box(
            max(0, (left - _AROUND_PX) // _STEP_PX * _STEP_PX),
            max(0, (top - _AROUND_PX) // _STEP_PX * _STEP_PX),
            min(width, -(-(left + wide + _AROUND_PX) // _STEP_PX) * _STEP_PX),
            min(height, -(-(top + tall + _AROUND_PX) // _STEP_PX) * _STEP_PX),
        )
        return place if place.width * place.height < _MOST_OF * height * width else None

    def weigh(self, finder: FlowFinder, luma: Luma, *, both_ways: bool) -> float:
        """
        Have `doubt` say how little the key tells of *luma*, place by place.

        Args:
            finder: of flow.
            luma: (h, w), where this begins.
            both_ways: where there is texture around its subjects, it is checked whether the key
                leads back, which costs a flow.

        Returns:
            How far the way back leads elsewhere from subjects, in pixels, on average; 0 where
            that is not checked. At once when asked again.
        """
        if self._astray is not None:
            return self._astray
        np.copyto(self.doubt, self.residual)
        self._astray = 0.0
        tells = self.key.has_texture and not self.key.is_empty and not self.still
        self.is_bounded = both_ways and tells
        if self.is_bounded:
            gap = self._gap
            finder.look_back(luma, self.key.luma, self.flow, self.key.faint, gap, self.reached)
            np.minimum(gap, _ASTRAY_PX, out=gap)
            finder.carry(self.key.small, self.way, self._there)
            self._astray = float(cv2.mean(gap, mask=self._there)[0])
            cv2.scaleAdd(gap, _ASTRAY, self.doubt, dst=self.doubt)
        return self._astray

    def guess_across(self, finder: FlowFinder, other: Lead, key: Key) -> None:
        """Become a guess of the way to *key*, where *other* leads to the key before that."""
        self._begin(key)
        finder.across(other.flow, key.back, self.flow)

    def go_back(self, finder: FlowFinder, luma: Luma, other: Lead) -> None:
        """Lead from *luma*, where *other* begins, over the key that it leads to, to the older."""
        newer = other.key
        assert newer.older is not None  # noqa: S101 - callers know
        self._begin(newer.older)
        finder.through(other.flow, newer.back, self.flow)
        finder.residual(luma, self.key.luma, self.flow, self.residual)

    def _begin(self, key: Key) -> None:
        self.key, self._number = key, key.number
        self.still, self._strain, self.way = False, None, self.flow
        self.is_bounded, self._astray = False, None

    def calm(self, out: Alpha) -> None:
        """Write 1 where hardly anything moves and the picture is explained into *out*, else 0."""
        x, y = cv2.split(self.flow)
        length = cv2.magnitude(x, y)
        np.logical_and(length < _CALM_PX, self.residual < _CALM_LEVELS, out=out.view(np.bool_))
