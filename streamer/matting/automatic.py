"""The choice between the two ways of matting a live stream, made once the model is warm."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from streamer.config import MattingConfig
from streamer.core.cpu import giving_way
from streamer.frame import Alpha, Frame, Matte
from streamer.matting.every_frame import EveryFrame
from streamer.matting.tracking.asking import Asking
from streamer.matting.tracking.tracked import Tracked
from streamer.protocols import Matting, ModelInfo, Segmenter

_SHARE = 0.8
"""Share of the time from one frame to the next that the model may take for a frame."""
_TRIED_ON = (720, 1280, 3)
_TRIES = 2


def keeps_up(inference_s: float, period_s: float) -> bool:
    """Whether a model that takes *inference_s* a frame can look at each of a live stream."""
    return inference_s <= _SHARE * period_s


class Automatic:
    """
    `every_frame` where the model is fast enough for a live stream, else `tracked`.

    Args:
        segmenter: the model; owned from here on and closed with this.
        config: intervals and delay.
        period_s: from one frame to the next.
        asking: how the model is asked for key frames; in a thread by default.
        clock: seconds.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        config: MattingConfig,
        *,
        period_s: float,
        asking: Asking | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._segmenter = segmenter
        self._config = config
        self._period_s = period_s
        self._asking = asking
        self._clock = clock
        self._chosen: Matting | None = None
        self._reason: str | None = None

    @property
    def info(self) -> ModelInfo:
        """The model that runs."""
        return self._segmenter.info

    @property
    def delay(self) -> int:
        """See `Matting.delay`; the same for both choices: memory is made before the choice."""
        return self._config.delay_frames

    def warm_up(self) -> None:
        """Run the model at each size, time it, and choose. Raises SegmentError."""
        giving_way(self._segmenter.warm_up)
        if self._chosen is None:
            self._choose(self._inference_s())

    def matte(self, frame: Frame, alpha: Alpha) -> Sequence[Matte]:
        """See `Matting.matte`; after `warm_up`."""
        return self._running().matte(frame, alpha)

    def keeps(self, waiting: int, now_s: float) -> bool:
        """See `PacedMatting.keeps`; only tracking leaves frames out."""
        return not isinstance(self._chosen, Tracked) or self._chosen.keeps(waiting, now_s)

    def flush(self) -> Sequence[Matte]:
        """See `Matting.flush`."""
        return () if self._chosen is None else self._chosen.flush()

    def statistics(self) -> dict[str, Any]:
        """The statistics of the chosen way; `chosen` says why it was chosen. Thread-safe."""
        chosen = self._chosen
        if chosen is None:
            return {"mode": "tracked", "delay_frames": self.delay, "chosen": None}
        return {**chosen.statistics(), "chosen": self._reason}

    def close(self) -> None:
        """Release the model. Safe to call twice."""
        (self._chosen or self._segmenter).close()

    def _running(self) -> Matting:
        if self._chosen is None:
            self.warm_up()
        assert self._chosen is not None  # noqa: S101 - warm_up chooses
        return self._chosen

    def _inference_s(self) -> float:
        image, alpha = np.zeros(_TRIED_ON, np.uint8), np.empty(_TRIED_ON[:2], np.uint8)
        spent = []
        for _ in range(_TRIES):
            begun = self._clock()
            self._segmenter.segment(image, alpha)
            spent.append(self._clock() - begun)
        self._segmenter.reset()
        return min(spent)

    def _choose(self, inference_s: float) -> None:
        each = f"an inference takes {1000 * inference_s:.0f} ms"
        self._reason = f"{each}, and frames come every {1000 * self._period_s:.0f}"
        if keeps_up(inference_s, self._period_s):
            self._chosen = EveryFrame(self._segmenter)
        else:
            self._chosen = Tracked(self._segmenter, self._config, live=True, asking=self._asking)
