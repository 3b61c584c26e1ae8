"""Makes the model and the matting that a configuration asks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from streamer.config import Config, SourceConfig
from streamer.core.cores import core_count
from streamer.core.cpu import giving_way
from streamer.matting import LADDER, Asking, make_matting
from streamer.models import Progress, User, is_recurrent, load_segmenter
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
    user: User | None = None,
) -> tuple[Matting, str | None]:
    """
    Load the model and make the matting of *config*; its source and sinks are left alone.

    Args:
        config: what is wanted.
        progress: told of a model's download.
        live: frames will not wait for the model.
        through: wraps the model for the matting, and owns it.
        asking: how the model is asked for key frames; by default *live* decides.
        user: whose turns the model's runs take; None: somebody new.

    Returns:
        The matting, which the caller warms up and closes; and why its model is a fall-back, if so.

    Raises:
        ModelError: the model cannot be had or loaded.
    """
    _share_cores(live=live)
    wanted = config.matting
    # Separate pictures cannot be tracked, and files can wait for the model.
    apart = not live or config.source.APART
    if wanted.mode == "auto" and (apart or is_recurrent(config.model.name)):
        wanted = wanted.model_copy(update={"mode": "every_frame"})
    user = user or User()
    if wanted.mode == "every_frame":
        segmenter, fallback = load_segmenter(config.model, progress, user=user)
    else:
        load = partial(load_segmenter, config.model, progress, ladder=LADDER, user=user)
        # Live, the model's threads must not hold up the stages that every frame passes through.
        segmenter, fallback = giving_way(load) if live else load()
    seen = prepared(segmenter, config.preprocess)
    matting = make_matting(
        wanted, through(seen), live=live, period_s=1 / rate_of(config.source), asking=asking
    )
    return Regional(matting, config.preprocess), fallback


def budget_s(config: Config, mode: str | None) -> float:
    """
    Seconds after which an answer of the model is late: when the next frame or key frame is due.

    Args:
        config: of the stream.
        mode: of its matting, `every_frame` or `tracked`; None: not known yet.
    """
    frames = config.matting.max_interval if mode == "tracked" else 1
    return frames / rate_of(config.source)


def rate_of(source: SourceConfig) -> float:
    """The `fps` that *source* is asked for, else a usual rate; at most its `max_fps`."""
    asked = float(getattr(source, "fps", None) or _USUAL_FPS)
    return min(asked, float(getattr(source, "max_fps", None) or asked))


def _share_cores(*, live: bool) -> None:
    """
    Tell OpenCV how many threads one call of it may use, in this process.

    The number is never raised. Live, every stage has a thread of its own, and these share the
    cores. By itself OpenCV ignores CPU quotas, and its threads inherit the priority of the thread
    that first needs them, which may be a model's: so they are started here.
    """
    threads = max(1, core_count() // 2) if live else core_count()
    cv2.setNumThreads(min(threads, cv2.getNumThreads()))
    # Large enough to be split among threads, so that these start.
    cv2.resize(np.zeros((1024, 1024, 3), np.uint8), (512, 512))
