"""Composes and throws away: what a pipeline costs without its output."""

from __future__ import annotations

import time
from typing import Any

from streamer.compositing import Composer
from streamer.frame import Frame, Matte, StreamInfo
from streamer.metrics import LatencyHistogram


class DiscardSink:
    """
    A sink without an output.

    Args:
        composer: what makes the picture that is thrown away.
        end_to_end: where the time from capture to here is recorded, per frame.
    """

    name = "discard"

    def __init__(self, composer: Composer, *, end_to_end: LatencyHistogram | None = None) -> None:
        self._composer = composer
        self._end_to_end = end_to_end
        self._frames = 0

    def open(self, info: StreamInfo) -> None:
        """Nothing to make ready."""

    def write(self, frame: Frame, matte: Matte) -> None:
        """Compose; both are borrowed until this returns."""
        self._composer.compose(frame.image, matte.alpha)
        self._frames += 1
        if self._end_to_end is not None:
            self._end_to_end.record(time.monotonic_ns() - frame.stamp.captured_ns)

    def close(self) -> None:
        """Nothing to finish."""

    def statistics(self) -> dict[str, Any]:
        """`{type, frames}`. Thread-safe."""
        return {"type": self.name, "frames": self._frames}
