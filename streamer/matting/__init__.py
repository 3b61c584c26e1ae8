"""How frames get their mattes."""

from streamer.config import MattingConfig
from streamer.matting.automatic import Automatic, keeps_up
from streamer.matting.every_frame import EveryFrame
from streamer.matting.tracking.asking import Asking
from streamer.matting.tracking.tracked import Tracked
from streamer.protocols import Matting, Segmenter

__all__ = ["LADDER", "Asking", "Automatic", "EveryFrame", "Tracked", "keeps_up", "make_matting"]

LADDER = (384, 512, 640, 768, 896)
"""Sides in pixels of the smaller network inputs that tracking asks a model for."""


def make_matting(
    config: MattingConfig,
    segmenter: Segmenter,
    *,
    live: bool,
    period_s: float = 1 / 30,
    asking: Asking | None = None,
) -> Matting:
    """
    Make the matting that *config* describes.

    Args:
        config: mode, intervals, delay.
        segmenter: the model; owned by the result.
        live: frames do not wait for the model.
        period_s: from one frame to the next, as far as known.
        asking: how the model is asked for key frames; chosen by *live* by default.
    """
    if config.mode == "tracked":
        return Tracked(segmenter, config, live=live, asking=asking)
    if config.mode == "auto" and live and not segmenter.info.recurrent:
        return Automatic(segmenter, config, period_s=period_s, asking=asking)
    return EveryFrame(segmenter)
