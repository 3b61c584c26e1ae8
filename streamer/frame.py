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

Image = NDArray[np.uint8]
"""(H, W, 3) uint8 BGR in [0, 255], C-contiguous."""

Alpha = NDArray[np.uint8]
"""(H, W) uint8 coverage: 0 background to 255 foreground."""

Origin = Literal["inferred", "propagated", "empty"]


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a source delivers from now on."""

    name: str
    """How the source is called in messages and file names; free of credentials."""
    width: int
    """Pixels, after rotation."""
    height: int
    """Pixels, after rotation."""
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

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a stream of {self.width}x{self.height} pixels")
        if self.paced and not self.live:
            raise ValueError("a paced stream behaves as live")


@dataclass(frozen=True, slots=True)
class Grab:
    """What a source says of the frame it has just written."""

    pts: int
    """Presentation time in units of `time_base`; strictly increasing within an epoch."""
    time_base: Fraction
    captured_ns: int
    """`time.monotonic_ns()` taken after the grab, so that waiting is not counted as latency."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which frame this is, when it belongs on the timeline and when it was captured."""

    index: int
    """Counts the frames captured, from 0; a gap is a drop."""
    pts: int
    time_base: Fraction
    captured_ns: int
    """`time.monotonic_ns()` after the grab; never to be mixed with `pts`."""
    epoch: int
    """Grows at each reconnect and each change of format."""

    @property
    def pts_s(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a stream. The image is borrowed."""

    image: Image
    stamp: Stamp

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

    def __repr__(self) -> str:
        height, width = self.alpha.shape
        return f"Matte({width}x{height}, {self.origin}, age={self.age}, {self.stamp})"
