"""Runs frames through a matting as the pipeline does, and measures the cost."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from streamer.errors import SegmentError
from streamer.frame import Alpha, Frame, Image, Matte, Origin, Stamp
from streamer.protocols import Matting


@dataclass(frozen=True, slots=True)
class Answer:
    """The matte of one frame. The arrays are the receiver's own."""

    image: Image
    alpha: Alpha
    origin: Origin
    age: int
    cpu_s: float
    """CPU seconds of this process in `matte` with this frame; for the last, in `flush` as well."""


def run_matting(
    matting: Matting, images: Iterable[Image], *, fps: int = 30, epoch: int = 0
) -> Iterator[Answer]:
    """
    Give *images* to *matting* in order, flush it, and take its mattes in order.

    Args:
        matting: warmed up; it stays open.
        images: (H, W, 3) uint8 BGR each, not written to until its answer has come.
        fps: of the stamps.
        epoch: of the stamps; each clip needs another one.

    Raises:
        SegmentError: a matte could not be made, came out of order, or did not come.

    Making the images is not counted as CPU time.
    """
    held: deque[Frame] = deque()
    costs: deque[float] = deque()

    def taken(mattes: Iterable[Matte]) -> Iterator[Answer]:
        for matte in mattes:
            if not held or held[0].stamp != matte.stamp:
                raise SegmentError(
                    f"matting: the matte of frame {matte.stamp.index} is out of turn"
                )
            image = held.popleft().image
            yield Answer(image, matte.alpha, matte.origin, matte.age, costs.popleft())

    for index, image in enumerate(images):
        stamp = Stamp(index, index, Fraction(1, fps), time.monotonic_ns(), epoch)
        frame = Frame(image, stamp)
        alpha = np.empty(image.shape[:2], np.uint8)
        held.append(frame)
        before = time.process_time()
        mattes = matting.matte(frame, alpha)
        costs.append(time.process_time() - before)
        yield from taken(mattes)
    before = time.process_time()
    mattes = matting.flush()
    if costs:
        costs[-1] += time.process_time() - before
    yield from taken(mattes)
    if held:
        raise SegmentError(f"matting: kept the mattes of {len(held)} frames to itself")
