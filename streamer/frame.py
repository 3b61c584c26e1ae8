"""
The nouns of the pipeline: an image, its stamp, the frame of both, and the matte that belongs to it.

Plain data. Arrays are borrowed from whoever allocated them (see `ring`); nothing here copies.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamer.config import Settings
from streamer.packets import AudioPacket, AudioTrack

Image = NDArray[np.uint8]
"""(H, W, 3) uint8 BGR in [0, 255], C-contiguous."""

Alpha = NDArray[np.uint8]
"""(H, W) uint8 coverage: 0 background to 255 foreground."""

Origin = Literal["inferred", "propagated", "empty"]

SourceState = Literal["connecting", "live", "stalled", "reconnecting", "released", "ended"]
"""
What a source is doing: `connecting` until its first frame; `live` while frames come; `stalled`
when none came in time and the connection was given up; `reconnecting` while it was lost and is
tried again; `released` while it is closed on request; `ended` for good.
"""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a source delivers from now on."""

    name: str
    """How the source is called in messages and file names; free of credentials."""
    width: int
    """Square pixels, after rotation."""
    height: int
    """Square pixels, after rotation."""
    fps: Fraction | None
    """Nominal frames per second, or None where the source does not say."""
    time_base: Fraction
    """Seconds in one unit of `pts`."""
    live: bool
    """Frames that are not taken in time are lost: drop the oldest rather than wait."""
    paced: bool = False
    """A recording to be delivered at the pace of its timestamps (then `live` is true too)."""
    frames: int | None = None
    """How many frames will come, as far as the source knows."""
    audio: AudioTrack | None = None
    """What comes beside the frames, see `Grab.audio`; None where there is none."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a stream of {self.width}x{self.height} pixels")
        if self.paced and not self.live:
            raise ValueError("a paced stream behaves as live")


_SLOWEST_S = 60.0
"""What a source says of a slower rate than three frames in so long is not believed."""


def slow_s(fps: Fraction | None) -> float:
    """Seconds without a frame that are no silence of a stream so slow; 0 where nobody knows."""
    return min(float(3 / fps), _SLOWEST_S) if fps else 0.0


@dataclass(frozen=True, slots=True)
class Grab:
    """What a source says of the frame it has just written."""

    pts: int
    """Presentation time in units of `time_base`; strictly increasing within an epoch."""
    time_base: Fraction
    captured_ns: int
    """`time.monotonic_ns()` taken after the grab, so that waiting is not counted as latency."""
    audio: tuple[AudioPacket, ...] = ()
    """The audio that came since the grab before, as it was encoded, on the frames' timeline."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which frame this is, when it belongs on the timeline and when it was captured."""

    index: int
    """Counts the frames captured and those that stand in for them, from 0; a gap is a drop."""
    pts: int
    """Presentation time; of a live source it grows strictly over the whole run."""
    time_base: Fraction
    """Seconds in one unit of `pts`; of a live source its first connection's, for the whole run."""
    captured_ns: int
    """`time.monotonic_ns()` after the grab; never to be mixed with `pts`."""
    epoch: int
    """Grows at each reconnect, each change of format, and after a pause of a live source."""
    standby: bool = False
    """No frame of the source: it is away, and this keeps the outputs going meanwhile."""
    paused: bool = False
    """Of a stand-by frame: the stream is paused, and its last picture is held."""

    @property
    def pts_s(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a stream. The image is borrowed."""

    image: Image
    stamp: Stamp
    settings: Settings | None = None
    """Matting, refinement and sinks process the frame by these. None: each part uses the settings
    that it was made with."""

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"Frame({width}x{height}, {self.stamp})"


@dataclass(frozen=True, slots=True)
class Matte:
    """The alpha of exactly the frame whose stamp it carries. The alpha is borrowed."""

    alpha: Alpha
    stamp: Stamp
    origin: Origin
    """`inferred` by the model, `propagated` from a neighbour, or `empty`: all background."""
    age: int = 0
    """Frames since the inference it rests on; 0 for an inferred matte."""

    @property
    def is_card(self) -> bool:
        """The picture is a stand-by card, to be shown as it is: there is nothing to cut out."""
        return self.stamp.standby and self.origin == "empty"

    def __repr__(self) -> str:
        height, width = self.alpha.shape
        return f"Matte({width}x{height}, {self.origin}, age={self.age}, {self.stamp})"
