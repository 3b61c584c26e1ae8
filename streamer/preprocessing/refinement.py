"""Refine a frame's alpha by the frame's own settings, within its own regions."""

from __future__ import annotations

from streamer.config import DEFAULT_SETTINGS
from streamer.core.metrics import LatencyHistogram
from streamer.frame import Alpha, Frame
from streamer.preprocessing.fences import Fences
from streamer.refining import Refiner


class Refinement:
    """
    Refines the alphas of one stream.

    Growing, blurring or inverting may spill outside the regions of interest, which is cleared
    afterwards.

    Args:
        latency: records the time of each alpha for which any refinement is set.

    Not thread-safe.
    """

    def __init__(self, latency: LatencyHistogram | None = None) -> None:
        self._refiner = Refiner(latency)
        self._fences = Fences()

    def __call__(self, frame: Frame, alpha: Alpha) -> None:
        """Refine *alpha*, (H, W) uint8 of *frame*, in place; see `Refiner.refine`."""
        settings = frame.settings or DEFAULT_SETTINGS
        self._refiner.refine(alpha, settings.refine, frame.stamp.epoch)
        if settings.preprocess.roi is not None:
            self._fences.of(settings.preprocess, alpha.shape).clear_outside(alpha)
