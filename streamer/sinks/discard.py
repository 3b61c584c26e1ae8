"""Composes pictures and discards them: shows what a pipeline costs without an output."""

from __future__ import annotations

from typing import Any

from streamer.compositing import SinkComposer
from streamer.config import DiscardSinkConfig
from streamer.frame import Frame, Matte, StreamInfo
from streamer.sinks.making import Making


def make(config: DiscardSinkConfig, making: Making) -> DiscardSink:
    """The sink that *config* asks for; see `Making`."""
    return DiscardSink(making.composer(config))


class DiscardSink:
    """
    A sink without an output.

    Args:
        composer: makes the picture that is discarded.
    """

    name = "discard"

    def __init__(self, composer: SinkComposer) -> None:
        self._composer = composer
        self._frames = 0

    def open(self, info: StreamInfo) -> None:
        """Nothing to prepare."""

    def write(self, frame: Frame, matte: Matte) -> None:
        """Compose; both are borrowed until this returns."""
        self._composer.picture_of(frame, matte)
        self._frames += 1

    def close(self) -> None:
        """Close the composer. Safe to call twice."""
        self._composer.close()

    def statistics(self) -> dict[str, Any]:
        """`{type, frames}`. Thread-safe."""
        return {"type": self.name, "frames": self._frames}
