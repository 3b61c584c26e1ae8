"""A matting that shows another one only the regions of interest; elsewhere all is background."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamer.boxes import Box
from streamer.config import PreprocessConfig
from streamer.errors import ConfigError
from streamer.frame import Alpha, Frame, Matte, Stamp
from streamer.preprocessing.regions import box_around, places_in
from streamer.protocols import Matting, ModelInfo, PacedMatting
from streamer.tuning import Tuning

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Regions in frames of one size."""

    shape: tuple[int, ...]
    """Of the alphas."""
    config: PreprocessConfig
    box: Box
    cover: Alpha | None
    """(H, W) of the box: 255 in the regions, 0 between them; None where they fill it."""

    @property
    def is_whole(self) -> bool:
        """Nothing is outside."""
        return self.cover is None and (self.box.height, self.box.width) == self.shape

    def differs(self, other: _Layout) -> bool:
        """Whether the other matting sees another picture."""
        return (self.box, self.is_whole) != (other.box, other.is_whole)

    def clear_outside(self, alpha: Alpha) -> None:
        """Make everything outside of the regions background."""
        if self.is_whole:
            return
        box = self.box
        alpha[: box.top] = 0
        alpha[box.bottom :] = 0
        alpha[box.top : box.bottom, : box.left] = 0
        alpha[box.top : box.bottom, box.right :] = 0
        if self.cover is not None:
            inside = alpha[box.slices]
            np.minimum(inside, self.cover, out=inside)


class Regional:
    """
    Gives another matting the box around the regions of interest; outside them alpha is 0.

    The regions may be replaced at any time: frames that are held keep those that they came with.
    Another box is another picture to the other matting: what it holds is flushed first, and its
    epoch is a new one. Until there are regions, frames and mattes pass through as they are.

    Args:
        matting: sees the box; owned from here on and closed with this.
        tuning: has the regions, in `preprocess`; its `output` is not looked at.
    """

    def __init__(self, matting: Matting, tuning: Tuning) -> None:
        self._matting = matting
        self._tuning = tuning
        self._layout: _Layout | None = None
        self._moves = 0
        """How often the box became another; a part of the epochs that the other matting sees."""
        self._held: deque[tuple[Stamp, Alpha, _Layout]] = deque()

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
        """See `PacedMatting.keeps`; as the other matting says, if that is one."""
        matting = self._matting
        return not isinstance(matting, PacedMatting) or matting.keeps(waiting, now_s)

    def matte(self, frame: Frame, alpha: Alpha) -> Sequence[Matte]:
        """
        Take the next frame, and return the mattes that are ready; see `Matting.matte`.

        Raises:
            ConfigError: a region is outside of the frame, from its first on or of a new size.
                Where the tuning is given such a one later, that is logged, and the tuning has the
                old ones again.
            SegmentError: a matte could not be made.
        """
        layout = self._laid_out(alpha)
        mattes: list[Matte] = []
        if self._layout is not None and self._layout.differs(layout):
            mattes += self.flush()
            self._moves += 1
        self._layout = layout
        if not self._moves and layout.is_whole:
            return self._matting.matte(frame, alpha)
        stamp = frame.stamp
        self._held.append((stamp, alpha, layout))
        # Both grow only, so that their sum is new with each of them.
        inner = replace(stamp, epoch=stamp.epoch + self._moves)
        part = layout.box.slices
        mattes += self._whole(self._matting.matte(Frame(frame.image[part], inner), alpha[part]))
        return mattes

    def flush(self) -> Sequence[Matte]:
        """The mattes of all frames that are held; see `Matting.flush`."""
        return self._whole(self._matting.flush())

    def statistics(self) -> dict[str, Any]:
        """See `Matting.statistics`."""
        return self._matting.statistics()

    def close(self) -> None:
        """Release the model. Twice is once."""
        self._held.clear()
        self._matting.close()

    def _laid_out(self, alpha: Alpha) -> _Layout:
        """The regions in frames of the size of *alpha*; raises ConfigError as `matte`."""
        config, known = self._tuning.preprocess, self._layout
        if known is not None and known.config is config and known.shape == alpha.shape:
            return known
        height, width = alpha.shape
        try:
            places = places_in(config.regions, width, height) or [Box(0, 0, width, height)]
        except ConfigError as error:
            held = self._tuning.held
            if held is None or held is config:
                raise
            _log.warning("the regions stay as they were: %s", error)
            if self._tuning.preprocess is config:
                self._tuning.preprocess = held
            return self._laid_out(alpha)
        self._tuning.held = config
        box = box_around(places)
        cover = None
        if len(places) > 1:
            full = np.zeros_like(alpha)
            for place in places:
                full[place.slices] = 255
            cover = full[box.slices].copy()
        return _Layout(alpha.shape, config, box, cover)

    def _whole(self, mattes: Sequence[Matte]) -> Sequence[Matte]:
        """*mattes* of boxes as those of their frames."""
        return [self._given(matte) for matte in mattes] if self._held else mattes

    def _given(self, matte: Matte) -> Matte:
        stamp, alpha, layout = self._held.popleft()
        layout.clear_outside(alpha)
        fence = None if layout.is_whole else layout
        return replace(matte, alpha=alpha, stamp=stamp, fence=fence)
