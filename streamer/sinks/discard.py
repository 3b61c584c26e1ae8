"""Composes and throws away: what a pipeline costs without its output."""

from __future__ import annotations

from typing import Any

from streamer.compositing import Composer
from streamer.config import DiscardSinkConfig
from streamer.frame import Frame, Matte, StreamInfo
from streamer.sinks.making import Making


def make(config: DiscardSinkConfig, making: Making) -> DiscardSink:
    """See `Making`."""
    return DiscardSink(making.composer(config))


class DiscardSink:
    """
    A sink without an output.

    Args:
        composer: what makes the picture that is thrown away.
    """

    name = "discard"

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._frames = 0

    def open(self, info: StreamInfo) -> None:
        """Nothing to make ready."""

    def write(self, frame: Frame, matte: Matte) -> None:
        """Compose; both are borrowed until this returns."""
        self._composer.picture_of(frame, matte)
        self._frames += 1

    def close(self) -> None:
        """Close the composer. Twice is once."""
        self._composer.close()

    def statistics(self) -> dict[str, Any]:
        """`{type, frames}`. Thread-safe."""
        return {"type": self.name, "frames": self._frames}
