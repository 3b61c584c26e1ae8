"""A frame on its way through tracking."""

from __future__ import annotations

import numpy as np

from streamer.frame import Alpha, Frame
from streamer.matting.tracking.keys import Lead
from streamer.matting.tracking.luma import Colours, Luma


class Held:
    """
    A frame whose matte is not given back yet. Frame and alpha are borrowed.

    Args:
        luma_size: (h, w) of its small pictures.
    """

    frame: Frame
    alpha: Alpha
    number: int
    blind: bool
    strain: float
    """Grey levels that `lead` leaves unexplained around the subjects…"""
    astray: float
    """…and the mean pixels by which flow there and back misses; see `Lead.weigh`."""

    def __init__(self, luma_size: tuple[int, int]) -> None:
        self.luma: Luma = np.empty(luma_size, np.uint8)
        self.colours: Colours = np.empty((*luma_size, 3), np.uint8)
        self.lead = Lead(luma_size)
        """The flow to the key that was the newest when the frame came."""
