"""The catalogue of truth clips."""

from __future__ import annotations

import math
from collections.abc import Sequence

from streamer.errors import ConfigError
from streamer.evaluation.families import FAMILIES
from streamer.evaluation.live_clips import LIVE
from streamer.evaluation.scenery import Camera, Pose, Scene
from streamer.evaluation.staging import Entry, Stage, breathes, eased, stays, sways
from streamer.evaluation.truth import Clip, Kind


def _still(stage: Stage) -> Sequence[tuple[int, Scene]]:
    return [(0, Scene(stage.backdrop("room"), (stage.actor("portrait", stays(0.5, 1.0, 0.9)),)))]


def _talking(stage: Stage) -> Sequence[tuple[int, Scene]]:
    actor = stage.actor("portrait", breathes(0.46, 1.03, 0.95))
    return [(0, Scene(stage.backdrop("bokeh"), (actor,)))]


def _moving(stage: Stage) -> Sequence[tuple[int, Scene]]:
    actor = stage.actor("portrait", sways(0.5, 1.0, 0.85, 0.24, 96))
    return [(0, Scene(stage.backdrop("room"), (actor,)))]


def _panning(stage: Stage) -> Sequence[tuple[int, Scene]]:
    def drift(t: float) -> tuple[float, float]:
        return 0.16 * stage.width * math.sin(2 * math.pi * t / 120), 0.0

    actor = stage.actor("horse", sways(0.5, 0.56, 0.72, 0.06, 80))
    return [(0, Scene(stage.backdrop("meadow"), (actor,), drift))]


def _rotating(stage: Stage) -> Sequence[tuple[int, Scene]]:
    actor = stage.actor("cup", lambda t: Pose(0.5, 0.5, 0.7, 2.5 * t))
    return [(0, Scene(stage.backdrop("bricks"), (actor,)))]


def _scaling(stage: Stage) -> Sequence[tuple[int, Scene]]:
    def way(t: float) -> Pose:
        return Pose(0.52, 1.0, 0.7 + 0.28 * math.sin(2 * math.pi * t / 90))

    return [(0, Scene(stage.backdrop("bokeh"), (stage.actor("portrait", way),)))]


def _strands(stage: Stage) -> Sequence[tuple[int, Scene]]:
    def way(t: float) -> Pose:
        return Pose(0.5 + 0.1 * math.sin(0.08 * t), 0.5, 0.92, 5 * math.sin(0.1 * t))

    return [(0, Scene(stage.backdrop("room"), (stage.actor("figure", way),)))]


def _leaving(stage: Stage) -> Sequence[tuple[int, Scene]]:
    def way(t: float) -> Pose:
        """Out to the left by frame 35, away till 50, back by 80."""
        out = eased((t - 10) / 25) - eased((t - 50) / 30)
        return Pose(0.5 - 0.95 * out, 1.0, 0.85)

    return [(0, Scene(stage.backdrop("room"), (stage.actor("portrait", way),)))]


def _crossing(stage: Stage) -> Sequence[tuple[int, Scene]]:
    def there(t: float) -> Pose:
        return Pose(0.22 + 0.56 * eased(t / 85), 0.56, 0.84)

    def back(t: float) -> Pose:
        return Pose(0.78 - 0.56 * eased(t / 85), 1.0, 0.78)

    actors = (stage.actor("figure", there), stage.actor("portrait", back))
    return [(0, Scene(stage.backdrop("room"), actors))]


def _fast(stage: Stage) -> Sequence[tuple[int, Scene]]:
    def way(t: float) -> Pose:
        """Through the whole frame in 9 frames (0.3 s), from frame 15, and back from frame 55."""
        there = min(max((t - 15) / 9, 0), 1) - min(max((t - 55) / 9, 0), 1)
        return Pose(-0.3 + 1.6 * there, 0.52, 0.6)

    return [(0, Scene(stage.backdrop("room"), (stage.actor("cup", way),)))]


def _shaking(stage: Stage) -> Sequence[tuple[int, Scene]]:
    actor = stage.actor("portrait", breathes(0.52, 1.06, 0.92))
    return [(0, Scene(stage.backdrop("bricks"), (actor,), shake=stage.shake(0.012)))]


def _cuts(stage: Stage) -> Sequence[tuple[int, Scene]]:
    portrait = stage.actor("portrait", breathes(0.3, 1.0, 0.85))
    cup = stage.actor("cup", sways(0.65, 0.52, 0.62, 0.05, 60))
    figure = stage.actor("figure", breathes(0.45, 0.5, 0.9))
    return [
        (0, Scene(stage.backdrop("room"), (portrait,))),
        (30, Scene(stage.backdrop("meadow"), (cup,))),
        (60, Scene(stage.backdrop("bokeh"), (figure,))),
    ]


def _nobody(stage: Stage) -> Sequence[tuple[int, Scene]]:
    return [(0, Scene(stage.backdrop("room")))]


def _lights(index: int) -> float:
    """The gain: on, off within three frames at 30, on again within three at 60."""
    off = min(max((index - 29) / 3, 0), 1) - min(max((index - 59) / 3, 0), 1)
    return 1 - 0.985 * off


CATALOGUE: tuple[Entry, ...] = (
    Entry("still", "a person who does not move, before a wall", "normal", _still),
    Entry(
        "talking", "a person who moves a little, before a blurred background", "normal", _talking
    ),
    Entry("moving", "a person who moves from side to side", "normal", _moving),
    Entry("panning", "a horse on a meadow that passes by", "normal", _panning),
    Entry("rotating", "a cup that turns", "normal", _rotating),
    Entry("scaling", "a person who comes near and goes away", "normal", _scaling),
    Entry("strands", "a drawn person with loose hair and arms akimbo", "normal", _strands),
    Entry("leaving", "a person who leaves and comes back", "normal", _leaving),
    Entry("crossing", "two people who pass each other", "normal", _crossing),
    Entry("shaking", "a camera in a trembling hand", "normal", _shaking),
    Entry("noisy", "little light: strong noise", "normal", _talking, Camera(noise=9.0)),
    Entry(
        "dimming",
        "light that fades and comes back",
        "normal",
        _talking,
        Camera(gain=lambda index: 0.72 + 0.28 * math.cos(2 * math.pi * index / 60)),
    ),
    Entry("compressed", "H.264 at 1.5 Mbit/s", "normal", _moving, Camera(bitrate=1_500_000)),
    Entry(
        "fast",
        "a cup through the whole picture in 0.3 s, twice",
        "safety",
        _fast,
        Camera(shutter=0.12, exposures=8),
    ),
    Entry("cuts", "another scene each second", "safety", _cuts),
    Entry("nobody", "a wall and nobody before it", "safety", _nobody),
    Entry(
        "lights",
        "lights switched off for a second",
        "safety",
        _talking,
        Camera(gain=_lights),
        lambda index: _lights(index) < 0.4,
    ),
    Entry(
        "covered",
        "a hand over the lens for a second",
        "safety",
        _talking,
        Camera(covered=lambda index: 30 <= index < 60),
    ),
    *LIVE,
    *FAMILIES,
)


def clip_catalogue() -> list[tuple[str, Kind, str]]:
    """(name, kind, description) of every clip."""
    return [(entry.name, entry.kind, entry.description) for entry in CATALOGUE]


def clip_names(*kinds: Kind) -> list[str]:
    """Names of the catalogue's clips, or of those of some *kinds*."""
    return [entry.name for entry in CATALOGUE if not kinds or entry.kind in kinds]


def check_size(width: int, height: int) -> None:
    """Raises ConfigError if no clip can be of that size: H.264 wants even sides."""
    if min(width, height) < 32 or width % 2 or height % 2:
        raise ConfigError(f"clips of {width}x{height}: sides must be even, and 32 or more")


def make_clip(
    name: str,
    *,
    width: int = 1280,
    height: int = 720,
    frames: int | None = None,
    seed: int = 0,
) -> Clip:
    """
    The clip of that name; the same for the same arguments and installed pictures.

    Args:
        name: one of `clip_names()`.
        width: pixels, even.
        height: pixels, even.
        frames: how many; clips may be of any length. None: 90, or 240 for live clips and 48 for
            families.
        seed: of all that is random.

    Raises:
        ConfigError: no such clip, or an impossible size or length.
    """
    found = [entry for entry in CATALOGUE if entry.name == name]
    if not found:
        raise ConfigError(f"{name}: no such clip: choose from {', '.join(clip_names())}")
    check_size(width, height)
    entry = found[0]
    frames = entry.frames if frames is None else frames
    if frames < 1:
        raise ConfigError(f"clip {name}: of {frames} frames: must be 1 or more")
    if entry.shrunk != 1:
        width, height = (max(32, 2 * round(side / entry.shrunk / 2)) for side in (width, height))
    return Clip(
        name=entry.name,
        description=entry.description,
        kind=entry.kind,
        width=width,
        height=height,
        frames=frames,
        seed=seed,
        scenes=entry.scenes(Stage(width, height, seed)),
        camera=entry.camera,
        empty_will_do=entry.empty_will_do,
        fps=entry.fps,
    )
