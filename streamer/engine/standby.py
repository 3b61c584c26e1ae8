"""Stand-by frames: they show a card, black, or the last frame again. Never the room as it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamer.config import StandbyConfig
from streamer.engine.ring import Lease
from streamer.frame import Image, Matte, SourceState

DrawCard = Callable[[Image, str], None]
"""Draws a card with a text over the whole of an image."""


def black(out: Image, text: str) -> None:
    """Draw a card with nothing on it."""
    out.fill(0)


class Standby:
    """
    Makes the pictures and mattes of stand-by frames.

    Args:
        config: what they show.
        draw: draws the card.

    For one thread, the matting stage's.

    Attributes:
        keeps: whether the last frame is kept, which takes a lease, to be shown again after a loss
            or in a pause.
    """

    def __init__(self, config: StandbyConfig | None = None, draw: DrawCard = black) -> None:
        self._config = config or StandbyConfig()
        self._draw = black if self._config.show == "black" else draw
        self._last: tuple[Lease, Matte] | None = None
        self._card: Image = np.empty((0, 0, 3), np.uint8)
        self._drawn: tuple[str, int] | None = None
        self.keeps = self._config.show == "freeze"

    def keep(self, lease: Lease, matte: Matte) -> None:
        """Keep a frame of the source with its matte, if it may be shown again."""
        if not self.keeps:
            return
        lease.retain()
        self.close()
        self._last = (lease, matte)

    def matte(self, lease: Lease, state: SourceState) -> Matte:
        """
        Fill the stand-by frame of *lease*, and return its matte.

        A card has an `empty` matte. The last frame has one `propagated` from its own; if none of
        this size was kept, a card takes its place. A pause always shows the last frame.
        """
        stamp = lease.frame.stamp
        freezes = stamp.paused or self._config.show == "freeze"
        if freezes and self._last is not None and self._last[0].alpha.shape == lease.alpha.shape:
            kept, matte = self._last
            np.copyto(lease.frame.image, kept.frame.image)
            np.copyto(lease.alpha, matte.alpha)
            return Matte(
                lease.alpha, stamp, "propagated", matte.age + stamp.index - matte.stamp.index
            )
        text = self._config.text.format(state=state)
        if self._card.shape != lease.frame.image.shape:
            self._card = np.empty_like(lease.frame.image)
            self._drawn = None
        if self._drawn != (text, stamp.epoch):
            self._draw(self._card, text)
            self._drawn = (text, stamp.epoch)
        np.copyto(lease.frame.image, self._card)
        lease.alpha.fill(0)
        return Matte(lease.alpha, stamp, "empty")

    def close(self) -> None:
        """Let go of the frame that was kept. A second call does nothing."""
        if self._last is not None:
            self._last[0].release()
            self._last = None
