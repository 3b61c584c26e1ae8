"""
The nouns of the pipeline: an image, its stamp, the frame made of both, and the frame's matte.

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
when none came in time and the connection was given up; `reconnecting` while it is lost and tried
again; `released` while it is closed on request; `ended` for good.
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
    """Frames that are not taken in time are lost: the oldest is dropped rather than waited for."""
    paced: bool = False
    """A recording to be delivered at the pace of its timestamps (then `live` is true too)."""
    frames: int | None = None
    """How many frames will come, as far as the source knows."""
    audio: AudioTrack | None = None
    """The audio that comes with the frames, see `Grab.audio`; None without audio."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a stream of {self.width}x{self.height} pixels")
        if self.paced and not self.live:
            raise ValueError("a paced stream behaves as live")


_SLOWEST_S = 60.0
"""A nominal rate below three frames in this time is not believed."""


def slow_s(fps: Fraction | None) -> float:
    """Seconds without a frame that are normal at this rate: three frames' time; 0 if unknown."""
    return min(float(3 / fps), _SLOWEST_S) if fps else 0.0


@dataclass(frozen=True, slots=True)
class Grab:
    """A source's description of the frame that it has just written."""

    pts: int
    """Presentation time in units of `time_base`; strictly increasing within an epoch."""
    time_base: Fraction
    captured_ns: int
    """`time.monotonic_ns()` taken after the grab, so that waiting is not counted as latency."""
    audio: tuple[AudioPacket, ...] = ()
    """Encoded audio that came since the previous grab, on the frames' timeline."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which frame this is, when it belongs on the timeline and when it was captured."""

    index: int
    """Counts captured frames and stand-by frames, from 0; a gap is a drop."""
    pts: int
    """Presentation time; for a live source it grows strictly over the whole run."""
    time_base: Fraction
    """Seconds in one unit of `pts`; a live source keeps its first connection's for the run."""
    captured_ns: int
    """`time.monotonic_ns()` after the grab; another clock than that of `pts`."""
    epoch: int
    """Grows at each reconnect, each change of format, and after a pause of a live source."""
    standby: bool = False
    """Not a frame of the source: it keeps the outputs going while that is away or paused."""
    paused: bool = False
    """For a stand-by frame: the stream is paused, and its last picture is held."""

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
    """The alpha of the one frame whose stamp it carries. The alpha is borrowed."""

    alpha: Alpha
    stamp: Stamp
    origin: Origin
    """`inferred` by the model, `propagated` from a neighbour, or `empty`: all background."""
    age: int = 0
    """Frames since the inference it rests on; 0 for an inferred matte."""

    @property
    def is_card(self) -> bool:
        """Whether the picture is a stand-by card, shown as it is: there is nothing to cut out."""
        return self.stamp.standby and self.origin == "empty"

    def __repr__(self) -> str:
        height, width = self.alpha.shape
        return f"Matte({width}x{height}, {self.origin}, age={self.age}, {self.stamp})"
