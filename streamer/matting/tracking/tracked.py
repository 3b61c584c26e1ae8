"""
Mattes for every frame from a model that sees only key frames: optical flow carries them on.

The model runs on key frames, cropped to the subjects. Every other frame gets the alphas of the keys
around it, carried to it and weighted by how well they explain it. Frames of a file wait for the
next key. Live frames are delayed by a fixed number of frames, or not at all; the model's answer is
for an older frame by then, and is carried to the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from streamer.config import MattingConfig
from streamer.core.cpu import giving_way
from streamer.frame import Alpha, Frame, Matte
from streamer.matting.tracking.asking import Asking, Background, Direct
from streamer.matting.tracking.pace import Pace
from streamer.matting.tracking.track import Tally, Track
from streamer.protocols import ModelInfo, Segmenter


class Tracked:
    """
    Infers key frames, and carries their alphas to the frames between.

    Args:
        segmenter: the model; owned from here on and closed with this.
        config: intervals and delay.
        live: frames do not wait for the model, which runs in a thread.
        asking: how the model is asked; chosen by *live* by default.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        config: MattingConfig,
        *,
        live: bool,
        asking: Asking | None = None,
    ) -> None:
        self._segmenter = segmenter
        self._config = config
        self._live = live
        self._asking: Asking = asking or (Background() if live else Direct())
        self._track: Track | None = None
        self._tally = Tally()
        self._pace = Pace() if live else None

    @property
    def info(self) -> ModelInfo:
        """The model that runs."""
        return self._segmenter.info

    @property
    def delay(self) -> int:
        """See `Matting.delay`."""
        return self._config.delay_frames if self._live else self._config.max_interval

    def warm_up(self) -> None:
        """Run the model once at each size. Raises SegmentError."""
        if self._live:
            giving_way(self._segmenter.warm_up)
        else:
            self._segmenter.warm_up()

    def matte(self, frame: Frame, alpha: Alpha) -> Sequence[Matte]:
        """See `Matting.matte`."""
        if self._track is None or not self._track.fits(frame):
            self._track = Track(
                self._segmenter,
                self._asking,
                self._config,
                frame,
                self._tally,
                live=self._live,
                delay=self.delay,
                pace=self._pace,
            )
        return self._track.take(frame, alpha)

    def keeps(self, waiting: int, now_s: float) -> bool:
        """See `PacedMatting.keeps`; a file keeps all."""
        return self._pace is None or self._pace.keeps(waiting, now_s)

    def flush(self) -> Sequence[Matte]:
        """See `Matting.flush`."""
        return self._track.flush() if self._track is not None else ()

    def statistics(self) -> dict[str, Any]:
        """See `Matting.statistics`."""
        counts = {"mode": "tracked", "delay_frames": self.delay, **asdict(self._tally)}
        return counts if self._pace is None else {**counts, "pace": self._pace.statistics()}

    def close(self) -> None:
        """Release the model. Safe to call twice."""
        self._asking.close()
        self._segmenter.close()
