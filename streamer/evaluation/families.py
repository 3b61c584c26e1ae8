"""The families of the catalogue: clips like the many kinds of files that users bring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from streamer.evaluation.casting import person, seated
from streamer.evaluation.drawing import Sprite
from streamer.evaluation.rooms import furnished
from streamer.evaluation.scenery import Actor, Camera, Pose, Scene, Way
from streamer.evaluation.staging import Entry, Stage, breathes, eased, sways
from streamer.evaluation.subjects import figure
from streamer.evaluation.things import bench, bicycle, umbrella
from streamer.frame import Image

FAMILY_FRAMES = 48
"""Default length of a family's clip, in frames."""

Scenes = Callable[[Stage, int], Sequence[tuple[int, Scene]]]
"""Makes the scenes of a clip for its stage and its number: its seed plus its place."""


def _texture(stage: Stage) -> Image:
    """A backdrop that repeats itself: grass, gravel or bricks."""
    return stage.backdrop(("lawn", "gravel", "bricks")[int(stage.random().integers(3))])


def _room(stage: Stage) -> Image:
    return furnished(round(1.4 * stage.width), round(1.4 * stage.height), stage.random())


def _textured(rate: float) -> Scenes:
    """Somebody who moves from side to side, *rate* times as far per frame as at 30 fps."""

    def scenes(stage: Stage, number: int) -> Sequence[tuple[int, Scene]]:
        way = sways(0.5, 1.03, 0.88, 0.2, 96 / rate)
        return [(0, Scene(_texture(stage), person(stage, number, way)))]

    return scenes


def _comes(first: float, last: float) -> Way:
    """In from the left between frames *first* and *last*."""
    return lambda t: Pose(-0.35 + 0.85 * eased((t - first) / (last - first)), 1.04, 0.88)


def _goes(t: float) -> Pose:
    """Out to the right by frame 16, back between 24 and 42."""
    return Pose(0.5 + 0.95 * (eased((t - 2) / 14) - eased((t - 24) / 18)), 1.04, 0.88)


def _alone(way: Way) -> Scenes:
    """Somebody on a *way* in a room."""
    return lambda stage, number: [(0, Scene(_room(stage), person(stage, number, way)))]


def _small(stage: Stage, number: int) -> Sequence[tuple[int, Scene]]:
    sprite = figure(round(0.2 * stage.height), stage.random())
    actor = Actor(sprite, lambda t: Pose(0.4 + 0.004 * t, 0.6, 0.05))
    return [(0, Scene(stage.backdrop(("room", "bokeh")[number % 2]), (actor,)))]


def _thing(make: Callable[[int, np.random.Generator], Sprite], way: Way) -> Scenes:
    def scenes(stage: Stage, number: int) -> Sequence[tuple[int, Scene]]:
        actor = Actor(make(round(1.1 * stage.height), stage.random()), way)
        return [(0, Scene(stage.backdrop(("room", "bokeh")[number % 2]), (actor,)))]

    return scenes


def _short(stage: Stage, number: int) -> Sequence[tuple[int, Scene]]:
    """Three scenes of somebody who moves fast; none ends at a multiple of the key interval."""
    way = sways(0.5, 1.03, 0.88, 0.22, 44)
    return [
        (first, Scene(_room(stage), person(stage, number + first, way))) for first in (0, 17, 34)
    ]


def _ticker(stage: Stage, number: int) -> Sequence[tuple[int, Scene]]:
    """A bar with words that run through it, over the lower part of the picture."""
    wide, tall = stage.width, round(0.11 * stage.height)
    bar = np.full((tall, wide, 4), (96, 40, 24, 255), np.uint8)
    words = np.zeros((tall, 3 * wide, 4), np.uint8)
    cv2.putText(
        words,
        "  +++  ".join(("FAIR AND WARM", "TRAINS ON TIME", "HOME TEAM 3:1", "MARKETS QUIET") * 2),
        (0, round(0.72 * tall)),
        cv2.FONT_HERSHEY_DUPLEX,
        tall / 42,
        (240, 240, 240, 255),
        max(1, tall // 26),
        cv2.LINE_AA,
    )
    rate = 5 / 1280  # widths a frame
    overlays = (
        Actor(Sprite(bar, (wide / 2, tall / 2)), lambda _: Pose(0.5, 0.92, 0.11)),
        Actor(Sprite(words, (0, tall / 2)), lambda t: Pose(0.3 - rate * t, 0.92, 0.11)),
    )
    actors = person(stage, number, breathes(0.5, 1.0, 0.9))
    return [(0, Scene(_room(stage), actors, overlays=overlays))]


def _fade(index: int) -> float:
    """The gain: up from darkness until frame 20, and back into it from frame 30 on."""
    return eased(index / 20) - eased((index - 30) / 16)


def _zooming(stage: Stage, number: int) -> Sequence[tuple[int, Scene]]:
    actors = person(stage, number, breathes(0.5, 0.86, 0.45))
    return [(0, Scene(_room(stage), actors, zoom=lambda t: 1 + 2 * eased((t - 6) / 36)))]


def _group(stage: Stage, _: int) -> Sequence[tuple[int, Scene]]:
    """Two people, and a third who comes and stands between them."""
    between = seated(stage, lambda t: Pose(0.5, 1.75 - 0.7 * eased((t - 10) / 24), 0.6))
    left = seated(stage, breathes(0.24, 1.05, 0.66))
    right = seated(stage, breathes(0.77, 1.05, 0.7))
    return [(0, Scene(_room(stage), (*between, *left, *right)))]


def _panned(stage: Stage, number: int) -> Sequence[tuple[int, Scene]]:
    """The camera follows a runner: the backdrop passes by a fortieth of the width per frame."""

    def drift(t: float) -> tuple[float, float]:
        return -stage.width * 0.025 * t, 0.0

    actors = person(stage, number, breathes(0.5, 1.03, 0.85))
    return [(0, Scene(_texture(stage), actors, drift))]


def _strobe(index: int) -> float:
    return 1.5 if index % 6 < 2 else 0.8


@dataclass(frozen=True, slots=True)
class _Family:
    name: str
    description: str
    scenes: Scenes
    camera: Camera = field(default_factory=Camera)
    fps: int = 30
    shrunk: float = 1.0
    empty_will_do: Callable[[int], bool] = lambda _: False
    like: int | None = None
    """The place in `_FAMILIES` of the family with the same person and background."""


_TALKS = _alone(breathes(0.5, 1.03, 0.9))
_MOVES = _alone(sways(0.5, 1.03, 0.88, 0.15, 80))

_FAMILIES = (
    _Family("texture", "a person who moves before grass, gravel or bricks", _textured(1)),
    _Family(
        "texture-5fps",
        "likewise, at 5 frames a second",
        _textured(6),
        Camera(shutter=0.15, exposures=3),
        fps=5,
        like=0,
    ),
    _Family("texture-60fps", "likewise, at 60 frames a second", _textured(0.5), fps=60, like=0),
    _Family("strobe", "likewise, in a strobe's light", _textured(1), Camera(gain=_strobe), like=0),
    _Family("pan", "the camera follows a person quickly", _panned),
    _Family("entering", "a person who comes in", _alone(_comes(6, 30))),
    _Family("reentering", "a person who goes and comes back", _alone(_goes)),
    _Family("small", "somebody of a twentieth of the height", _small),
    _Family("bench", "a bench of thin slats", _thing(bench, breathes(0.5, 0.92, 0.72))),
    _Family("umbrella", "an umbrella that sways", _thing(umbrella, breathes(0.5, 0.5, 0.84))),
    _Family(
        "bicycle",
        "a bicycle that rolls by",
        _thing(bicycle, lambda t: Pose(0.38 + 0.005 * t, 0.92, 0.66)),
    ),
    _Family("ends", "three short scenes, and the end", _short),
    _Family("ticker", "a bar with words that run through it", _ticker),
    _Family(
        "fade",
        "from darkness and into it",
        _TALKS,
        Camera(gain=_fade),
        empty_will_do=lambda index: _fade(index) < 0.35,
    ),
    _Family("grey", "without colours", _MOVES, Camera(grey=True)),
    _Family("tiny", "an eighth of the size", _MOVES, shrunk=8),
    _Family("zoom", "the camera zooms in, to three times", _zooming),
    _Family("group", "two people, then three", _group),
    _Family("grainy", "very strong noise", _TALKS, Camera(noise=18.0)),
)


def _entry(family: _Family, place: int) -> Entry:
    place = place if family.like is None else family.like
    return Entry(
        f"file-{family.name}",
        family.description,
        "families",
        lambda stage: family.scenes(stage.of(place), stage.seed + place),
        family.camera,
        family.empty_will_do,
        FAMILY_FRAMES,
        family.fps,
        family.shrunk,
    )


FAMILIES: tuple[Entry, ...] = tuple(_entry(family, place) for place, family in enumerate(_FAMILIES))
