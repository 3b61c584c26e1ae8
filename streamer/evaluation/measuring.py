"""Figures, frame by frame, of a matting on a truth clip or of predictions with their truth."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from streamer.evaluation.driving import run_matting
from streamer.evaluation.metrics import boundary_f, conn, dtssd, grad, iou, leak, loss, mad, mse
from streamer.evaluation.steadiness import edge_lag_px, flicker
from streamer.evaluation.truth import Clip, Motion
from streamer.frame import Alpha, Image
from streamer.protocols import Matting

COLUMNS = (
    "mad", "mse", "grad", "conn", "dtssd", "iou", "boundary_f", "flicker", "edge_lag_px", "leak",
    "loss", "cpu_s",
)  # fmt: skip
"""The figures, in the order in which they are shown."""
_WORST = 4
_PLACES = 5

Figures = dict[str, float | None]
Advance = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """A frame with its truth and its prediction. What is not known is None."""

    index: int
    image: Image | None
    truth: Alpha
    prediction: Alpha
    motion: Motion | None
    """How it came from the frame before; None if it does not continue that, or must not count."""
    cpu_s: float | None = None
    origin: str | None = None


@dataclass(slots=True)
class Measured:
    """The results for one clip."""

    name: str
    frames: dict[str, list[float | None]] = field(
        default_factory=lambda: {column: [] for column in COLUMNS}
    )
    """By figure, a value for each frame; None where the figure has no meaning."""
    origins: dict[str, int] = field(default_factory=dict)
    """How many mattes were inferred, propagated or empty."""
    worst: list[Sample] = field(default_factory=list)
    """The frames with the largest MAD, largest first."""

    def means(self) -> Figures:
        """
        The mean of each figure over the frames where it has a meaning; None if there are none.

        The edge lag keeps its sign, so that edges a little outside or inside the truth's cancel
        out: they lead while a subject grows as much as they trail while it shrinks.
        """
        return {column: _mean(values) for column, values in self.frames.items()}

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "frames": len(self.frames["mad"]),
            "mean": rounded(self.means()),
            "origins": self.origins,
            "by_frame": {
                column: [None if value is None else round(value, _PLACES) for value in values]
                for column, values in self.frames.items()
            },
        }


def evaluate(
    clip: Clip,
    matting: Matting,
    *,
    frames: int | None = None,
    epoch: int = 0,
    advance: Advance = lambda: None,
) -> Measured:
    """
    Run *matting* over the first *frames* of *clip* and compare each matte with the truth.

    Args:
        clip: where frames, truth and motion come from.
        matting: warmed up; it stays open.
        frames: how many; all of them when None.
        epoch: of the stamps; each clip that the matting sees needs another one.
        advance: called after each frame.

    Raises:
        SegmentError: a matte could not be made.
    """
    count = clip.frames if frames is None else min(frames, clip.frames)
    return measure(clip.name, _samples(clip, matting, count, epoch), advance)


def measure(name: str, samples: Iterable[Sample], advance: Advance = lambda: None) -> Measured:
    """Compare predictions with their truths, in order; they are of one size."""
    found = Measured(name)
    worst: list[tuple[float, int, Sample]] = []
    before: Sample | None = None
    for sample in samples:
        figures = _compare(sample, before)
        for column in COLUMNS:
            found.frames[column].append(figures.get(column))
        if sample.origin is not None:
            found.origins[sample.origin] = found.origins.get(sample.origin, 0) + 1
        kept = replace(sample, motion=None)
        heapq.heappush(worst, (figures["mad"] or 0.0, -sample.index, kept))
        if len(worst) > _WORST:
            heapq.heappop(worst)
        before = sample
        advance()
    found.worst = [sample for _, _, sample in sorted(worst, key=lambda entry: entry[:2])[::-1]]
    return found


def average(clips: Iterable[Measured]) -> Figures:
    """The mean of the clips' means; all clips count the same, and lags without their sign."""
    rows = [clip.means() for clip in clips]
    for row in rows:
        lag = row["edge_lag_px"]
        row["edge_lag_px"] = None if lag is None else abs(lag)
    return {column: _mean(row[column] for row in rows) for column in COLUMNS}


def _samples(clip: Clip, matting: Matting, count: int, epoch: int) -> Iterator[Sample]:
    truths: deque[tuple[Alpha, Motion | None]] = deque()

    def images() -> Iterator[Image]:
        for index in range(count):
            # Made with the frame: else a clip makes it twice if the matting looks ahead.
            truths.append((clip.alpha(index), clip.motion(index)))
            yield clip.frame(index)

    for index, answer in enumerate(run_matting(matting, images(), fps=clip.fps, epoch=epoch)):
        truth, motion = truths.popleft()
        if clip.empty_will_do(index):
            # An empty matte and the truth are both right: the nearer one counts.
            motion = None
            if mad(answer.alpha, np.zeros_like(truth)) < mad(answer.alpha, truth):
                truth = np.zeros_like(truth)
        yield Sample(index, answer.image, truth, answer.alpha, motion, answer.cpu_s, answer.origin)


def _compare(now: Sample, before: Sample | None) -> Figures:
    ours, truth = now.prediction, now.truth
    figures: Figures = {
        "mad": mad(ours, truth),
        "mse": mse(ours, truth),
        "grad": grad(ours, truth),
        "conn": conn(ours, truth),
        "iou": iou(ours, truth),
        "boundary_f": boundary_f(ours, truth),
        "leak": leak(ours, truth),
        "loss": loss(ours, truth),
        "cpu_s": now.cpu_s,
    }
    if before is not None:
        figures["dtssd"] = dtssd(ours, before.prediction, truth, before.truth)
        if now.motion is not None:
            figures["flicker"] = flicker(ours, before.prediction, truth, before.truth, now.motion)
            figures["edge_lag_px"] = edge_lag_px(ours, truth, now.motion)
    return figures


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def rounded(figures: Figures) -> Figures:
    """*figures* rounded to five places, as they are written."""
    return {key: None if value is None else round(value, _PLACES) for key, value in figures.items()}
