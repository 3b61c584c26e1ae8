"""The live clips of the catalogue: people before a webcam, in still rooms or before movement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from streamer.evaluation import extras
from streamer.evaluation.casting import person, seated
from streamer.evaluation.drawing import Sprite
from streamer.evaluation.rooms import furnished, papered
from streamer.evaluation.scenery import Actor, Camera, Pose, Scene, Way
from streamer.evaluation.staging import Entry, Stage, eased
from streamer.evaluation.streets import park, street
from streamer.frame import Image

LIVE_FRAMES = 240
"""Default length of a live clip: eight seconds."""

Cast = Callable[[Stage, int], tuple[Actor, ...]]
"""Makes the subjects of a clip for its stage and its number: its seed plus its place."""


@dataclass(frozen=True, slots=True)
class _Motion:
    """What the subject and the camera do, whatever the background."""

    name: str
    description: str
    cast: Cast
    camera: Camera = field(default_factory=Camera)
    tremor: float = 0.0
    """Tremor of the hand that holds the camera, in heights of the frame."""


def _sits(x: float = 0.5, height: float = 0.92, y: float = 1.04) -> Way:
    """The way of somebody who talks: slight and slow movements, never quite at rest."""
    return lambda t: Pose(
        x + 0.014 * math.sin(0.043 * t) + 0.004 * math.sin(0.17 * t),
        y + 0.005 * math.sin(0.2 * t),
        height + 0.006 * math.sin(0.05 * t),
        1.5 * math.sin(0.06 * t),
    )


def _leans(t: float) -> Pose:
    near = eased((t - 40) / 30) - eased((t - 150) / 40)
    seat = _sits()(t)
    return Pose(
        seat.x + 0.03 * near, seat.y + 0.1 * near, seat.height * (1 + 0.42 * near), seat.degrees
    )


def _stands(t: float) -> Pose:
    up = eased((t - 50) / 32) - eased((t - 165) / 36)
    seat = _sits(height=0.74)(t)
    return Pose(seat.x + 0.03 * up, seat.y - 0.26 * up, seat.height, seat.degrees + 3 * up)


def _leaves(t: float) -> Pose:
    """Out to the right by frame 80, away till 130, back by 180."""
    out = eased((t - 40) / 40) - eased((t - 130) / 50)
    seat = _sits()(t)
    return Pose(
        seat.x + 0.95 * out, seat.y, seat.height, seat.degrees - 5 * math.sin(math.pi * out)
    )


def _walks(start: float, end: float, first: float, last: float, height: float) -> Way:
    """From x *start* to *end* between frames *first* and *last*, up and down with each step."""

    def at(t: float) -> Pose:
        done = min(max((t - first) / (last - first), 0.0), 1.0)
        bob = 0.008 * abs(math.sin(0.2 * t)) if 0 < done < 1 else 0.0
        return Pose(start + (end - start) * done, 1.06 - bob, height, 1.2 * math.sin(0.2 * t))

    return at


def _passing(stage: Stage, number: int) -> tuple[Actor, ...]:
    behind = seated(stage, _walks(-0.3, 1.3, 40, 200, 0.74), talks=False)
    return (*behind, *person(stage, number, _sits(0.46)))


def _exposure(index: int) -> tuple[float, float, float]:
    """Darker from 50 and brighter from 130 on, in six frames each; warmer from 90 to 180."""
    light = 1 - 0.32 * eased((index - 50) / 6) + 0.46 * eased((index - 130) / 6)
    light -= 0.14 * eased((index - 200) / 6)
    warm = eased((index - 90) / 2) - eased((index - 180) / 2)
    return light * (1 - 0.16 * warm), light, light * (1 + 0.12 * warm)


_MOTIONS = (
    _Motion("talking", "a person who talks", lambda s, n: person(s, n, _sits())),
    _Motion(
        "waving",
        "a person who waves both hands",
        lambda s, _: seated(s, _sits(height=0.8), waving=True),
        Camera(shutter=0.4, exposures=3),
    ),
    _Motion("leaning", "a person who leans in and back", lambda s, n: person(s, n, _leans)),
    _Motion("standing", "a person who stands up and sits down", lambda s, _: seated(s, _stands)),
    _Motion("leaving", "a person who leaves and comes back", lambda s, n: person(s, n, _leaves)),
    _Motion(
        "walking",
        "a person who walks through the picture and back",
        lambda s, _: seated(
            s,
            lambda t: (
                _walks(0.12, 1.3, 10, 105, 0.8) if t < 120 else _walks(1.3, -0.3, 120, 240, 0.8)
            )(t),
        ),
    ),
    _Motion("passing", "a second person passes behind the first", _passing),
    _Motion(
        "exposure",
        "the camera changes exposure and white balance",
        lambda s, n: person(s, n, _sits()),
        Camera(gain=_exposure),
    ),
    _Motion(
        "dim",
        "little light and strong noise",
        lambda s, n: person(s, n, _sits()),
        Camera(noise=7.0, gain=lambda _: 0.45),
    ),
    _Motion(
        "handheld",
        "the camera is held in a hand",
        lambda s, n: person(s, n, _sits(height=0.86, y=1.1)),
        tremor=0.02,
    ),
)


def _room(stage: Stage, number: int) -> Image:
    """By *number*: a drawn room, a wall of the other clips, or a backdrop out of focus."""
    size = (round(stage.width * 1.4), round(stage.height * 1.4))
    match number % 5:
        case 0 | 2:
            return furnished(*size, stage.random())
        case 1:
            return papered(*size, stage.random())
        case 3:
            return stage.backdrop("bricks")
        case _:
            return stage.backdrop("room" if number % 2 else "bokeh")


def _runs(
    loop: extras.Loop, height: float, y: float, speed: float, phase: float, rate: float
) -> Actor:
    """An extra that passes again and again, *speed* widths and *rate* phases per frame."""
    facing = loop if speed > 0 else tuple(_mirrored(sprite) for sprite in loop)

    def way(t: float) -> Pose:
        gone = (phase + abs(speed) * t) % 1.6 - 0.3
        return Pose(gone if speed > 0 else 1 - gone, y, height)

    return Actor(facing[0], way, lambda t: facing[int(rate * t) % len(facing)])


def _mirrored(sprite: Sprite) -> Sprite:
    wide = sprite.lit.shape[1]
    flipped = np.ascontiguousarray(sprite.lit[:, ::-1])
    return Sprite(flipped, (wide - 1 - sprite.anchor[0], sprite.anchor[1]))


def _outdoors(stage: Stage, number: int) -> tuple[Image, tuple[Actor, ...]]:
    """A street with cars, or a park with leaves in the wind; walkers and cyclists in both."""
    size = (round(stage.width * 1.4), round(stage.height * 1.4))
    random = stage.random()
    unit = stage.height / 720
    passers = []
    for n in range(3):
        way = random.choice([-1, 1]) * random.uniform(0.002, 0.004)
        loop = extras.walker(0.95 * unit, random)
        passers.append(_runs(loop, 0.27, 0.68 + 0.01 * n, way, random.uniform(0, 1.6), 0.35))
    cyclist = extras.cyclist(1.1 * unit, random)
    way = random.choice([-1, 1]) * random.uniform(0.007, 0.011)
    cyclists = [_runs(cyclist, 0.31, 0.74, way, random.uniform(0.3, 0.9), 0.5)]
    if number % 2:
        leaves = [_branch(x, unit, random) for x in (-0.05, 0.28, 0.66)]
        return park(*size, stage.random()), (*passers, *cyclists, *leaves)
    cars = []
    for n in range(3):
        way = (-1 if n % 2 else 1) * random.uniform(0.008, 0.016)
        loop = extras.car(2.1 * unit, random)
        cars.append(_runs(loop, 0.24, 0.8 + 0.035 * n, way, random.uniform(0, 1.6), 0))
    return street(*size, stage.random()), (*passers, *cyclists, *cars)


def _branch(x: float, unit: float, random: np.random.Generator) -> Actor:
    """Leaves in the wind, at the upper edge."""
    phase = random.uniform(0, 6)

    def sways(t: float) -> Pose:
        return Pose(x, -0.02, 0.36, 6 * math.sin(0.09 * t + phase) + 3 * math.sin(0.31 * t))

    return Actor(extras.branch(1.5 * unit, random)[0], sways)


def _chair(stage: Stage, _: int) -> tuple[Actor, ...]:
    loop = extras.chair(1.6 * stage.height / 720, stage.random())
    return (Actor(loop[0], lambda _: Pose(0.82, 0.98, 0.56), lambda t: loop[int(0.3 * t) % 24]),)


def _monitor(stage: Stage, _: int) -> tuple[Actor, ...]:
    loop = extras.screen(1.9 * stage.height / 720, stage.random())
    return (Actor(loop[0], lambda _: Pose(0.19, 0.62, 0.42), lambda t: loop[int(t / 20) % 8]),)


def _before(motion: _Motion, place: int, moving: bool) -> Entry:
    """The entry of the motion at *place*, in a room or, where things are *moving*, outdoors."""

    def scenes(stage: Stage) -> Sequence[tuple[int, Scene]]:
        stage, number = stage.of(place), stage.seed + place
        actors = motion.cast(stage, number)
        backdrop, behind = _outdoors(stage, number) if moving else (_room(stage, number), ())
        if not motion.tremor:
            return [(0, Scene(backdrop, actors, extras=behind))]
        shake = stage.shake(motion.tremor)
        return [(0, Scene(backdrop, actors, shake=shake, extras=behind))]

    return Entry(
        f"webcam-{motion.name}{'-street' if moving else ''}",
        f"{motion.description}{', before a street or a park' if moving else ''}",
        "live_moving" if moving else "live",
        scenes,
        motion.camera,
        frames=LIVE_FRAMES,
    )


def _with(name: str, what: str, place: int, extra: Cast) -> Entry:
    """The entry of a person who talks in a room where something moves."""

    def scenes(stage: Stage) -> Sequence[tuple[int, Scene]]:
        stage, number = stage.of(place), stage.seed + place
        actors = person(stage, number, _sits())
        return [(0, Scene(_room(stage, number), actors, extras=extra(stage, number)))]

    description = f"{what} behind a person who talks"
    return Entry(f"webcam-{name}", description, "live_moving", scenes, frames=LIVE_FRAMES)


LIVE: tuple[Entry, ...] = (
    *(_before(motion, place, moving=False) for place, motion in enumerate(_MOTIONS)),
    *(_before(motion, place, moving=True) for place, motion in enumerate(_MOTIONS)),
    _with("chair", "a chair that turns", len(_MOTIONS), _chair),
    _with("monitor", "a monitor whose picture changes", len(_MOTIONS) + 1, _monitor),
)
