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
    """Of its anchor, in widths of the frame."""
    y: float
    """Of its anchor, in heights of the frame."""
    height: float
    """Of the whole subject, in heights of the frame."""
    degrees: float = 0.0
    """Counter-clockwise."""


Way = Callable[[float], Pose]
"""A pose by time in frames, which need not be whole."""

Drift = Callable[[float], tuple[float, float]]
"""How far something has moved by a time in frames: x and y in pixels."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A subject, or a thing behind one, and its way."""

    sprite: Sprite
    pose: Way
    looks: Callable[[float], Sprite] | None = None
    """By time, where its looks change; each as large as `sprite`, with the same anchor."""
    part: bool = False
    """It is a limb or a head of the actor before it: no motion but its own pixels' is its own."""

    def look(self, moment: float) -> Sprite:
        """What it looks like at a moment."""
        return self.sprite if self.looks is None else self.looks(moment)


@dataclass(frozen=True, slots=True)
class Scene:
    """
    What is before the camera, from one cut to the next. Later actors stand before earlier.

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
    """By time: how much larger the whole view is, about the middle of the frame."""
    extras: tuple[Actor, ...] = ()
    """
    What moves in the background, behind every actor. It does not count in the alpha, is out of
    focus, and is not blurred by the shutter.
    """
    overlays: tuple[Actor, ...] = ()
    """What is laid over the finished picture, such as a ticker: no subject, and it hides them."""


@dataclass(frozen=True, slots=True)
class Camera:
    """What becomes of the light."""

    noise: float = 2.0
    """Standard deviation of the sensor's noise, in levels of 255."""
    gain: Callable[[int], float | tuple[float, float, float]] = lambda _: 1.0
    """By frame: 0 is darkness. Three factors are those of blue, green and red."""
    covered: Callable[[int], bool] = lambda _: False
    """By frame: something lies on the lens; no subject is to be seen."""
    shutter: float = 0.0
    """How long it is open, in frames: what moves meanwhile is blurred."""
    exposures: int = 1
    """Moments that are averaged while the shutter is open."""
    bitrate: int | None = None
    """Bits a second of H.264 that the frames have been through; None: none."""
    grey: bool = False
    """It sees no colours."""
