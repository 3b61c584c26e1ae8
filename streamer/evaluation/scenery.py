"""What stands before the camera of a truth clip, how it moves, and what the camera does to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamer.evaluation.drawing import Sprite
from streamer.frame import Image


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a subject is at a moment."""

    x: float
    """Of the anchor, in widths of the frame."""
    y: float
    """Of the anchor, in heights of the frame."""
    height: float
    """Of the whole subject, in heights of the frame."""
    degrees: float = 0.0
    """Counter-clockwise."""


Way = Callable[[float], Pose]
"""The pose at a time in frames, which need not be whole."""

Drift = Callable[[float], tuple[float, float]]
"""How far something has moved by a time in frames: x and y in pixels."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A subject, or a thing behind one, and its way."""

    sprite: Sprite
    pose: Way
    looks: Callable[[float], Sprite] | None = None
    """The sprite at a time, if its looks change; as large as `sprite`, with the same anchor."""
    part: bool = False
    """It is a limb or head of the actor before it: actors' pixels around it keep their motion."""

    def look(self, moment: float) -> Sprite:
        """What it looks like at a moment."""
        return self.sprite if self.looks is None else self.looks(moment)


@dataclass(frozen=True, slots=True)
class Scene:
    """
    What is before the camera, from one cut to the next. Later actors hide earlier ones.

    All actors are subjects; extras are part of the background.
    """

    backdrop: Image
    """Larger than the frame; its middle is where the camera looks."""
    actors: tuple[Actor, ...] = ()
    drift: Drift = lambda _: (0.0, 0.0)
    """How far the backdrop and the extras have moved behind the actors, in pixels."""
    shake: Drift = lambda _: (0.0, 0.0)
    """How far the whole view has moved, in pixels."""
    zoom: Callable[[float], float] = lambda _: 1.0
    """By time: the factor by which the whole view is enlarged, about the middle of the frame."""
    extras: tuple[Actor, ...] = ()
    """
    What moves in the background, behind every actor. It does not count in the alpha, is out of
    focus, and is not blurred by the shutter.
    """
    overlays: tuple[Actor, ...] = ()
    """Laid over the finished picture, such as a ticker: no subjects, but they hide subjects."""


@dataclass(frozen=True, slots=True)
class Camera:
    """What the camera does to the view."""

    noise: float = 2.0
    """Standard deviation of the sensor's noise, in levels of 255."""
    gain: Callable[[int], float | tuple[float, float, float]] = lambda _: 1.0
    """By frame: 0 is darkness. Three factors are for blue, green and red."""
    covered: Callable[[int], bool] = lambda _: False
    """By frame: something covers the lens; no subject is visible."""
    shutter: float = 0.0
    """How long it is open, in frames: subjects that move meanwhile are blurred."""
    exposures: int = 1
    """Moments that are averaged while the shutter is open."""
    bitrate: int | None = None
    """Bits per second of H.264 that the frames have been through; None: not compressed."""
    grey: bool = False
    """It sees no colours."""
