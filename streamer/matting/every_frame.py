"""The reference way of matting: the model runs on each frame, and the matte is its own."""

from __future__ import annotations

from typing import Any

from streamer.frame import Alpha, Frame, Matte
from streamer.protocols import ModelInfo, Segmenter


class EveryFrame:
    """
    Infers the alpha of every frame.

    Args:
        segmenter: the model; owned from here on and closed with this.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter

    @property
    def info(self) -> ModelInfo:
        """The model that runs."""
        return self._segmenter.info

    def warm_up(self) -> None:
        """Run the model once. Raises SegmentError."""
        self._segmenter.warm_up()

    @property
    def delay(self) -> int:
        """None: each matte comes back at once."""
        return 0

    def matte(self, frame: Frame, alpha: Alpha) -> tuple[Matte]:
        """Infer the alpha of *frame* into *alpha*, (H, W) uint8. Raises SegmentError."""
        self._segmenter.segment(frame.image, alpha)
        return (Matte(alpha, frame.stamp, "inferred"),)

    def flush(self) -> tuple[()]:
        """Nothing, as nothing is held."""
        return ()

    def statistics(self) -> dict[str, Any]:
        """How mattes are made."""
        return {"mode": "every_frame", "delay_frames": 0}

    def close(self) -> None:
        """Release the model. Twice is once."""
        self._segmenter.close()
