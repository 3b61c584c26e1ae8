"""A segmenter that gives its model a smaller or filtered copy of the picture."""

from __future__ import annotations

import cv2

from streamer.config import PreprocessConfig
from streamer.core.copying import Uncopyable
from streamer.frame import Alpha, Image
from streamer.preprocessing.enlarging import Enlarger
from streamer.preprocessing.filters import filters_of
from streamer.preprocessing.scratch import Scratch
from streamer.protocols import ModelInfo, Segmenter


def prepared(segmenter: Segmenter, config: PreprocessConfig) -> Segmenter:
    """Wrap *segmenter* in a `PreparedSegmenter` if *config* changes what the model sees."""
    if config == PreprocessConfig(roi=config.roi, output=config.output):
        return segmenter
    return PreparedSegmenter(segmenter, config)


class PreparedSegmenter(Uncopyable):
    """
    Shrinks, denoises, smooths and chooses colours, in this order, then runs another segmenter.

    The alpha comes back at the size of the given picture, enlarged along its edges.

    Args:
        segmenter: the model; owned from here on and closed with this.
        config: what the model sees; its regions are ignored.

    Not thread-safe.
    """

    def __init__(self, segmenter: Segmenter, config: PreprocessConfig) -> None:
        self._segmenter = segmenter
        self._max_side = config.max_side
        self._scale = config.scale or 1.0
        self._filters = filters_of(config)
        self._enlarger = Enlarger()
        self._shrunk = Scratch()
        self._filtered = Scratch(), Scratch()
        self._alpha = Scratch()

    @property
    def info(self) -> ModelInfo:
        """The model that runs."""
        return self._segmenter.info

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """See `Segmenter.sizes`."""
        return self._segmenter.sizes

    def warm_up(self) -> None:
        """Run each size once. Raises SegmentError."""
        self._segmenter.warm_up()

    def segment(self, image: Image, out: Alpha, size: tuple[int, int] | None = None) -> None:
        """
        Estimate the foreground alpha of one image into *out*; see `Segmenter.segment`.

        Raises:
            SegmentError: inference failed; *out* is undefined.

        Allocates nothing of a picture's size, unless it is the largest so far.
        """
        if image.shape[:2] != out.shape:
            raise ValueError(f"an image of {image.shape} and an alpha of {out.shape}")
        height, width = self._size(*out.shape)
        if (height, width) == out.shape:
            self._segmenter.segment(self._filter(image), out, size)
            return
        small = self._shrunk.lend(height, width, 3)
        cv2.resize(image, (width, height), dst=small, interpolation=cv2.INTER_AREA)
        alpha = self._alpha.lend(height, width)
        self._segmenter.segment(self._filter(small), alpha, size)
        self._enlarger.enlarge(image, small, alpha, out)

    def reset(self) -> None:
        """Forget earlier pictures; see `Segmenter.reset`."""
        self._segmenter.reset()

    def close(self) -> None:
        """Release the model's memory. Safe to call twice."""
        self._segmenter.close()

    def _size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) that a picture of this size is shrunk to."""
        share = self._scale
        if self._max_side is not None:
            share = min(1.0, self._max_side / max(height, width))
        return max(1, round(height * share)), max(1, round(width * share))

    def _filter(self, image: Image) -> Image:
        """*image*, or a filtered copy of it."""
        for number, apply in enumerate(self._filters):
            target = self._filtered[number % 2].lend(*image.shape)
            apply(image, target)
            image = target
        return image
