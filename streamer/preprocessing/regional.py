"""A matting that passes only the regions of interest to another; the rest is background."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from streamer.config import PreprocessConfig
from streamer.frame import Alpha, Frame, Matte, Stamp
from streamer.preprocessing.fences import Fence, Fences
from streamer.protocols import Matting, ModelInfo, PacedMatting


class Regional:
    """
    Gives another matting the box around the regions of interest; outside them alpha is 0.

    The regions come from each frame's settings, or from *usual* if it has none. When the box
    changes, the other matting is flushed first, and sees a new epoch. Until there are regions,
    frames and mattes pass through unchanged.

    Args:
        matting: sees the box; owned from here on and closed with this.
        usual: gives the regions for frames without settings.
    """

    def __init__(self, matting: Matting, usual: PreprocessConfig | None = None) -> None:
        self._matting = matting
        self._usual = usual or PreprocessConfig()
        self._fences = Fences()
        self._fence: Fence | None = None
        self._moves = 0
        """How often the box has changed; added to the epochs that the other matting sees."""
        self._held: deque[tuple[Stamp, Alpha, Fence]] = deque()

    @property
    def info(self) -> ModelInfo | None:
        """The model that runs."""
        return self._matting.info

    @property
    def delay(self) -> int:
        """See `Matting.delay`."""
        return self._matting.delay

    def warm_up(self) -> None:
        """Load and run what is needed. Raises ModelError."""
        self._matting.warm_up()

    def keeps(self, waiting: int, now_s: float) -> bool:
        """See `PacedMatting.keeps`: asks the other matting if it is one, else keeps all."""
        matting = self._matting
        return not isinstance(matting, PacedMatting) or matting.keeps(waiting, now_s)

    def matte(self, frame: Frame, alpha: Alpha) -> Sequence[Matte]:
        """
        Take the next frame, and return the mattes that are ready; see `Matting.matte`.

        Raises:
            ConfigError: a region is outside of the frame.
            SegmentError: a matte could not be made.
        """
        settings = frame.settings
        config = self._usual if settings is None else settings.preprocess
        fence = self._fences.of(config, alpha.shape)
        mattes: list[Matte] = []
        if self._fence is not None and _differ(self._fence, fence):
            mattes += self.flush()
            self._moves += 1
        self._fence = fence
        if not self._moves and fence.is_whole:
            return self._matting.matte(frame, alpha)
        stamp = frame.stamp
        self._held.append((stamp, alpha, fence))
        # Neither ever shrinks, so a change of either gives a new sum.
        inner = replace(stamp, epoch=stamp.epoch + self._moves)
        part = fence.box.slices
        seen = replace(frame, image=frame.image[part], stamp=inner)
        mattes += self._whole(self._matting.matte(seen, alpha[part]))
        return mattes

    def flush(self) -> Sequence[Matte]:
        """The mattes of all frames that are held; see `Matting.flush`."""
        return self._whole(self._matting.flush())

    def statistics(self) -> dict[str, Any]:
        """See `Matting.statistics`."""
        return self._matting.statistics()

    def close(self) -> None:
        """Release the model. Safe to call twice."""
        self._held.clear()
        self._matting.close()

    def _whole(self, mattes: Sequence[Matte]) -> Sequence[Matte]:
        """Turn *mattes* of boxes into mattes of whole frames."""
        return [self._given(matte) for matte in mattes] if self._held else mattes

    def _given(self, matte: Matte) -> Matte:
        stamp, alpha, fence = self._held.popleft()
        fence.clear_outside(alpha)
        return replace(matte, alpha=alpha, stamp=stamp)


def _differ(one: Fence, other: Fence) -> bool:
    """Whether the two fences show the other matting different parts of the frame."""
    return (one.box, one.is_whole) != (other.box, other.is_whole)
