"""Pairs to learn from: what the network is shown of a frame, and its true alpha."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Alpha
from streamer.matting.flow import FlowFinder
from streamer.matting.keys import Key, Lead
from streamer.matting.luma import Colours, Luma
from training.cues import CUES, CUES_SIZE, Cues
from training.drawing import Picture, Random
from training.scenes import SIZE, Scene

FLOWS = ((0, 6), (1, 5))
"""Finest scale and stride of the flow, by which live streams carry: finely, or in a hurry."""
FRAMES_PER_SCENE = 8
_TAKEN = 0.3
"""Of the keys with somebody or something beside the subjects: that is taken for one of them."""
OLDEST = 60
"""Of keys, in frames."""
AGES = (1, 2, 4, 8, 15, 30, 45, OLDEST)
"""Of the frames of a scene to judge by, in frames since its key."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame of a generated scene."""

    cues: NDArray[np.float16]
    """(CUES, 144, 256); see `Cues.gather`."""
    truth: Alpha
    """(144, 256)."""
    age: int
    """Frames since the key."""


class Carrying:
    """
    Carries a key along a scene as the program does: each flow begins with the one before.

    Args:
        picture: of the key, (h, w, 3) BGR.
        alpha: what it says there, (h, w).
        flow: one of `FLOWS`.
        near: flow is found in the subjects' surroundings alone where nothing else moves.
    """

    def __init__(
        self,
        picture: Colours,
        alpha: Alpha,
        flow: tuple[int, int] = FLOWS[0],
        *,
        near: bool = False,
    ) -> None:
        key = Key(SIZE, SIZE)
        key.colours[:], key.luma[:], key.alpha[:] = picture, _luma(picture), alpha
        key.outline()
        key.is_empty = not key.area
        self._key, self._near = key, near
        self._finder = FlowFinder(SIZE, *flow)
        self._lead: Lead | None = None
        self._cues = Cues(SIZE)
        self._out = np.empty((CUES, *CUES_SIZE), np.float32)

    def follow(self, picture: Colours) -> None:
        """Find the way from *picture*, of the next frame, to the key."""
        place = self._lead.surroundings(self._finder) if self._lead and self._near else None
        guess, self._lead = self._lead, self._lead or Lead(SIZE)
        self._lead.follow(self._finder, _luma(picture), self._key, guess, place)

    def cues(self, picture: Colours, age: int) -> NDArray[np.float16]:
        """Of *picture*, which was followed last."""
        assert self._lead is not None  # noqa: S101 - `follow` comes first
        key, lead = self._key, self._lead
        self._cues.gather(picture, key.colours, key.alpha, lead.flow, lead.residual, age, self._out)
        return self._out.astype(np.float16)


def samples_of(
    random: Random, ages: tuple[int, ...] | None = None, flow: tuple[int, int] | None = None
) -> list[Sample]:
    """
    The frames of one new scene that follow its key.

    Args:
        random: decides all.
        ages: of the frames; eight of up to `OLDEST`, unless given. The key's alpha is true then,
            and every frame between is followed, as the program does it; else every second.
        flow: one of `FLOWS`; any, unless given.
    """
    scene = Scene(random)
    picture, alpha = scene.frame(0)
    said = alpha if ages is not None else key_of(scene, alpha, random)
    flow = flow or FLOWS[int(random.integers(len(FLOWS)))]
    carrying = Carrying(picture, said, flow, near=random.random() < 0.5)
    found, last, step = list[Sample](), 0, 2 if ages is None else 1
    for age in ages or _some_ages(random):
        for between in range(last + step, age, step):
            carrying.follow(scene.frame(between)[0])
        now, truth = scene.frame(age)
        carrying.follow(now)
        small = cv2.resize(truth, CUES_SIZE[::-1], interpolation=cv2.INTER_AREA)
        found.append(Sample(carrying.cues(now, age), small.astype(np.uint8, copy=False), age))
        last = age
    return found


def key_of(scene: Scene, alpha: Alpha, random: Random) -> Alpha:
    """What a model says of the first frame of *scene*, whose true alpha is *alpha*."""
    if random.random() < _TAKEN:
        alpha = np.maximum(alpha, scene.neighbour(0))
    return as_the_model_says(alpha, random)


def as_the_model_says(alpha: Alpha, random: Random) -> Alpha:
    """*alpha* with the errors of a key frame: edges off by a pixel, blur, bites, faint patches."""
    kind = random.random()
    if kind < 0.5:
        return alpha
    said: Picture = alpha.astype(np.float32)
    if kind < 0.7:
        kernel = np.ones((3, 3), np.uint8)
        change = cv2.erode if random.random() < 0.5 else cv2.dilate
        said = np.asarray(change(said, kernel), np.float32)
    elif kind < 0.85:
        said = np.asarray(cv2.GaussianBlur(said, (0, 0), random.uniform(0.5, 2)), np.float32)
    else:
        centre = tuple(int(random.integers(0, side)) for side in alpha.shape[::-1])
        axes = tuple(int(side) for side in random.integers(3, 25, 2))
        patch = cv2.ellipse(np.zeros(alpha.shape, np.uint8), centre, axes, 0, 0, 360, 255, -1)
        level = random.uniform(0, 1) * 255
        share = cv2.GaussianBlur(patch, (0, 0), 2).astype(np.float32) / 255
        said = said * (1 - share) + level * share
    return np.clip(np.rint(said), 0, 255).astype(np.uint8)


def _some_ages(random: Random) -> tuple[int, ...]:
    """Ascending; as many scenes go on for 8 to 16 frames as for 30 to 60."""
    last = round(math.exp(random.uniform(math.log(FRAMES_PER_SCENE), math.log(OLDEST))))
    ages = random.choice(np.arange(1, last + 1), FRAMES_PER_SCENE, replace=False)
    return tuple(int(age) for age in np.sort(ages))


def _luma(picture: Colours) -> Luma:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
