"""From a configuration to the model and the matting that it asks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from streamer.config import Config, SourceConfig
from streamer.core.cores import core_count
from streamer.core.cpu import giving_way
from streamer.matting import LADDER, Asking, make_matting
from streamer.models import Progress, is_recurrent, load_segmenter
from streamer.preprocessing import Regional, prepared
from streamer.protocols import Matting, Segmenter

_USUAL_FPS = 30.0


def load_matting(
    config: Config,
    progress: Progress | None = None,
    *,
    live: bool = False,
    through: Callable[[Segmenter], Segmenter] = lambda segmenter: segmenter,
    asking: Asking | None = None,
) -> tuple[Matting, str | None]:
    """
    The model and matting of *config*; its source and sinks are left alone.

    Args:
        config: what is wanted.
        progress: told of a model's download.
        live: frames will not wait for the model.
        through: what the matting has for the model; owns it.
        asking: how the model is asked for key frames; as *live* says, where absent.

    Returns:
        The matting, the caller's to warm up and close; and why its model is a fall-back, if it is.

    Raises:
        ModelError: the model cannot be had or loaded.
    """
    _share_cores(live=live)
    wanted = config.matting
    # Pictures have nothing to do with each other, and files wait.
    apart = not live or config.source.APART
    if wanted.mode == "auto" and (apart or is_recurrent(config.model.name)):
        wanted = wanted.model_copy(update={"mode": "every_frame"})
    if wanted.mode == "every_frame":
        segmenter, fallback = load_segmenter(config.model, progress)
    else:
        load = partial(load_segmenter, config.model, progress, ladder=LADDER)
        # Live, the model's threads must not hold up those that every frame passes through.
        segmenter, fallback = giving_way(load) if live else load()
    seen = prepared(segmenter, config.preprocess)
    matting = make_matting(
        wanted, through(seen), live=live, period_s=1 / rate_of(config.source), asking=asking
    )
    return Regional(matting, config.preprocess), fallback


def rate_of(source: SourceConfig) -> float:
    """Frames a second that *source* is asked for; a usual rate where it is not."""
    asked = float(getattr(source, "fps", None) or _USUAL_FPS)
    return min(asked, float(getattr(source, "max_fps", None) or asked))


def _share_cores(*, live: bool) -> None:
    """
    Tell OpenCV how many threads one call of it may use, in this process.

    Never more than it is told already. Live, every stage has a thread of its own: they share the
    cores. By itself OpenCV heeds no quota, and its threads get the priority of whoever needs them
    first, which may be a model.
    """
    threads = max(1, core_count() // 2) if live else core_count()
    cv2.setNumThreads(min(threads, cv2.getNumThreads()))
    # Large enough to be shared out, so that the threads begin.
    cv2.resize(np.zeros((1024, 1024, 3), np.uint8), (512, 512))
