"""Key frames, whose alphas the model gives, and the flow to them from the frames around."""

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
"""Grey levels of doubt per pixel by which flow there and back misses, and most such pixels."""
_FAINT = 16
"""Models give alphas up to this where there is nothing."""
_NEAR = cv2.getStructuringElement(cv2.MORPH_RECT, (13, 13))
"""The area around a subject, in the luma picture, in which movement concerns it."""
_AROUND_PX, _STEP_PX = 24, 8
"""How far around subjects flow is searched for, and the steps of that area, in luma pixels."""
_MOST_OF = 0.85
"""Share of the luma picture: a larger part is as good as the whole."""
_CALM_PX = 0.4
"""A place is calm if it moves by fewer luma pixels than this…"""
_CALM_LEVELS = 10.0
"""…and flow leaves fewer grey levels than this unexplained."""


class Key:
    """
    A frame that the model is asked for, and then its alpha. It owns all its arrays.

    Args:
        size: (H, W) of the frames.
        luma_size: (h, w) of their luma pictures.
    """

    def __init__(self, size: tuple[int, int], luma_size: tuple[int, int]) -> None:
        self.number = 0
        """The number of its frame, counted by the matting."""
        self.scene = 0
        self.pts_s = 0.0
        self.luma: Luma = np.empty(luma_size, np.uint8)
        self.colours: Colours = np.empty((*luma_size, 3), np.uint8)
        self.alpha: Alpha = np.empty(size, np.uint8)
        self.known: Alpha = np.empty(size, np.uint8)
        """The alpha carried to its frame before the model was asked; valid if `has_known`."""
        self.shown: Alpha = np.empty(size, np.uint8)
        """What a live stream showed for its frame before the answer; valid if `was_shown`."""
        self.was_shown = False
        self.calm: Alpha = np.empty(luma_size, np.uint8)
        """Not 0 where `known` has hardly moved, and fits."""
        self.room: Alpha = np.zeros(luma_size, np.uint8)
        """255 where the picture shows the room as known when the model was asked."""
        self.has_known = False
        self.knows_closely = False
        """The model looked closely at what is `known`."""
        self.older: Key | None = None
        """The key that was the newest when the model was asked for this, and its number then…"""
        self.older_number = 0
        self.back: Flow = np.zeros((*luma_size, 2), np.float32)
        """…and the flow there."""
        self.small: Alpha = np.empty(luma_size, np.uint8)
        """255 where alpha is above one half, else 0."""
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
        """What is found must be looked at closely before it counts."""
        self.is_glance = False
        """Its subjects were searched for in the whole frame with a small input."""
        self.is_rough = False
        """The model has looked at the whole frame only, and must look more closely next."""

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
        """Remove all subjects."""
        self.alpha.fill(0)
        self.small.fill(0)
        self.faint.fill(0)
        self.near.fill(0)
        self.area = 0
        self.is_empty, self.is_rough = True, False

    def keep(self, where: Alpha) -> None:
        """Remove subjects where *where*, (h, w) uint8 like the luma picture, is 0."""
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
        """Whether `back` is valid: there is an older key, which was not reused since."""
        return self.older is not None and self.older.number == self.older_number


class Lead:
    """
    The flow from a frame to a key, and its residual, in buffers of its own.

    Args:
        size: (h, w) of the luma pictures.
    """

    key: Key

    def __init__(self, size: tuple[int, int]) -> None:
        self.still = False
        """Frame and key show the same; the flow is 0."""
        self.flow: Flow = np.zeros((*size, 2), np.float32)
        self.way: Flow = self.flow
        """The flow for alphas: `flow`, or a correction with edges that move with the subjects."""
        self._corrected: Flow = np.zeros((*size, 2), np.float32)
        self.residual: Residual = np.zeros(size, np.float32)
        self.doubt: Residual = np.zeros(size, np.float32)
        """The residual, and more where the key does not lead back; see `weigh`."""
        self.is_bounded = False
        self.reached: Alpha = np.zeros(size, np.uint8)
        """If `is_bounded`: 255 where flow back takes the key's subjects, else 0."""
        self.near: Alpha = np.zeros(size, np.uint8)
        """The key's `near`, carried to the frame; see `look_around`."""
        self._strain: float | None = None
        self._number = -1
        self._astray: float | None = None
        self._gap: Residual = np.zeros(size, np.float32)
        self._there: Alpha = np.zeros(size, np.uint8)

    def leads_to(self, key: Key) -> bool:
        """Whether this leads to *key*, and the key was not reused since."""
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
        Find the flow from *luma* to *key*.

        Args:
            finder: of flow.
            luma: (h, w), of the frame.
            key: where the flow leads.
            guess: the lead of a neighbouring frame, as a first guess.
            place: a part of the luma picture: if hardly anything changes outside it, flow is
                searched for only there, and is 0 elsewhere.
            edges: corrects `way` if the subjects of *key* have texture around them.
            colours: (h, w, 3), of the frame; needed for *edges*.
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
        Set `near` to where the subjects are, or close to one.

        Returns:
            The mean grey levels that are unexplained there.
        """
        if self._strain is None:
            finder.carry(self.key.near, self.flow, self.near)
            self._strain = unexplained(self.residual, self.near)
        return self._strain

    def surroundings(self, finder: FlowFinder) -> Box | None:
        """
        The part of the luma picture, in its pixels, in which flow must follow the subjects.

        Returns:
            A box around them; None if there are none, or if it is nearly the whole picture.
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
        Set `doubt` to how badly the key explains *luma*, place by place.

        Args:
            finder: of flow.
            luma: (h, w), of the frame.
            both_ways: if the key's subjects have texture around them, also search for the flow
                back, to check this one.

        Returns:
            By how many pixels flow there and back misses, on average over the subjects; 0 if that
            is not checked. The result is kept for later calls.
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
        """Set this to a guess of the flow to *key*; *other* leads to the key before that."""
        self._begin(key)
        finder.across(other.flow, key.back, self.flow)

    def go_back(self, finder: FlowFinder, luma: Luma, other: Lead) -> None:
        """Set this to the flow from *luma* to the key before the one that *other* leads to."""
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
