"""The reference way of matting: the model runs on each frame, and its alpha is the matte."""

from __future__ import annotations

from typing import Any

from streamer.frame import Alpha, Frame, Matte
from streamer.matting.cuts import CutFinder
from streamer.protocols import ModelInfo, Segmenter


class EveryFrame:
    """
    Infers the alpha of every frame.

    A recurrent model is reset at each epoch and after a cut.

    Args:
        segmenter: the model; owned from here on and closed with this.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._epoch: int | None = None
        self._cuts: CutFinder | None = None

    @property
    def info(self) -> ModelInfo:
        """The model that runs."""
        return self._segmenter.info

    def warm_up(self) -> None:
        """Run the model once. Raises SegmentError."""
        self._segmenter.warm_up()

    @property
    def delay(self) -> int:
        """Always 0: each matte comes back at once."""
        return 0

    def matte(self, frame: Frame, alpha: Alpha) -> tuple[Matte]:
        """Infer the alpha of *frame* into *alpha*, (H, W) uint8. Raises SegmentError."""
        if self._segmenter.info.recurrent:
            self._reset_where_another_scene_begins(frame)
        self._segmenter.segment(frame.image, alpha)
        return (Matte(alpha, frame.stamp, "inferred"),)

    def _reset_where_another_scene_begins(self, frame: Frame) -> None:
        height, width = frame.image.shape[:2]
        if self._cuts is None or self._cuts.size != (height, width):
            self._cuts = CutFinder(height, width)
        if self._cuts.is_cut(frame.image) or frame.stamp.epoch != self._epoch:
            self._segmenter.reset()
        self._epoch = frame.stamp.epoch

    def flush(self) -> tuple[()]:
        """Nothing: no frame is held."""
        return ()

    def statistics(self) -> dict[str, Any]:
        """See `Matting.statistics`."""
        return {"mode": "every_frame", "delay_frames": 0}

    def close(self) -> None:
        """Release the model. Safe to call twice."""
        self._segmenter.close()
