"""What the catalogues of truth clips are made from: entries, parts of scenes, and ways."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from streamer.evaluation.backdrops import BACKDROPS
from streamer.evaluation.drawing import Sprite
from streamer.evaluation.scenery import Actor, Camera, Drift, Pose, Scene, Way
from streamer.evaluation.subjects import MAKERS
from streamer.evaluation.truth import Kind
from streamer.frame import Image

FRAMES = 90
"""Default length of a clip: three seconds."""


class Stage:
    """Makes the parts of one clip for its size and seed."""

    def __init__(self, width: int, height: int, *seeds: int) -> None:
        self.width, self.height, self.seed = width, height, seeds[0]
        self._seeds = seeds
        self._made = 0

    def of(self, place: int) -> Stage:
        """Another stage, whose random numbers also depend on the *place* of a clip."""
        return Stage(self.width, self.height, self.seed, place)

    def actor(self, subject: str, way: Way) -> Actor:
        """A *subject* on its *way*, with enough pixels to be as tall as the frame."""
        return Actor(MAKERS[subject](round(1.6 * self.height), self.random()), way)

    def backdrop(self, name: str) -> Image:
        """A backdrop, 1.4 times the frame's size to leave room for movement."""
        size = (round(self.width * 1.4), round(self.height * 1.4))
        return BACKDROPS[name](*size, self.random())

    def shake(self, strength: float) -> Drift:
        """A hand's tremor, a sum of slow sines; *strength* is in heights of the frame."""
        random = self.random()
        rates = random.uniform(0.1, 0.55, (2, 4))
        phases = random.uniform(0, 2 * math.pi, (2, 4))
        reach = strength * self.height / 2

        def at(moment: float) -> tuple[float, float]:
            x, y = np.sin(rates * moment + phases).sum(axis=1) * reach
            return float(x), float(y)

        return at

    def fixed_to(
        self,
        body: Sprite,
        way: Way,
        point: tuple[float, float],
        part: Sprite,
        turn: Callable[[float], float],
    ) -> Way:
        """The way of a *part* whose anchor stays at a *point* of *body*, in the body's pixels."""
        ratio = part.lit.shape[0] / body.lit.shape[0]
        offset = np.subtract(point, body.anchor) / body.lit.shape[0]

        def at(moment: float) -> Pose:
            pose = way(moment)
            angle = math.radians(pose.degrees)
            x, y = offset * pose.height
            right = math.cos(angle) * x + math.sin(angle) * y
            down = math.cos(angle) * y - math.sin(angle) * x
            return Pose(
                pose.x + right * self.height / self.width,
                pose.y + down,
                pose.height * ratio,
                pose.degrees + turn(moment),
            )

        return at

    def random(self) -> np.random.Generator:
        """Random numbers for one part, the same for the same seed and order of calls."""
        self._made += 1
        return np.random.default_rng((*self._seeds, self._made))


@dataclass(frozen=True, slots=True)
class Entry:
    """A clip of a catalogue, not yet made."""

    name: str
    description: str
    kind: Kind
    scenes: Callable[[Stage], Sequence[tuple[int, Scene]]]
    camera: Camera = field(default_factory=Camera)
    empty_will_do: Callable[[int], bool] = lambda _: False
    frames: int = FRAMES
    fps: int = 30
    shrunk: float = 1.0
    """By what factor it is smaller than asked for, in each direction."""


def stays(x: float, y: float, height: float) -> Way:
    """Does not move."""
    return lambda _: Pose(x, y, height)


def breathes(x: float, y: float, height: float) -> Way:
    """Makes the slight movements of somebody who sits before a camera."""
    return lambda t: Pose(
        x + 0.012 * math.sin(0.11 * t),
        y + 0.006 * math.sin(0.23 * t),
        height,
        1.2 * math.sin(0.07 * t),
    )


def sways(x: float, y: float, height: float, reach: float, period: float) -> Way:
    """Moves from side to side, there and back in *period* frames."""
    return lambda t: Pose(x + reach * math.sin(2 * math.pi * t / period), y, height)


def eased(t: float) -> float:
    """A smooth step: goes from 0 to 1 as *t* does, with a slow start and end."""
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)
