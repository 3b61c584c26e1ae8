"""Compares each frame as a viewer sees it with what should have been seen."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamer.evaluation.measuring import Advance, Figures, Sample, rounded
from streamer.evaluation.metrics import dtssd, leak, loss, mad
from streamer.evaluation.truth import Clip
from streamer.frame import Alpha, Image

SETTLED_S = 3.0
"""The beginning of a clip, at most half of it; of the figures only `begun_s` includes it."""
IN_TIME_S = 0.1
_HALF = 127
_LEAKY = 0.005
_WORST = 4

COUNTS = ("shown", "late", "lost", "empty")
"""Figures that are numbers of frames."""
FIGURES = (
    "shown", "late", "lost", "empty", "mad", "dtssd", "leak", "leak_worst", "leaky", "loss",
    "loss_worst", "latency_p50_ms", "latency_p95_ms", "begun_s",
)  # fmt: skip
"""In the order in which they are shown."""


@dataclass(slots=True)
class Watched:
    """What was seen of one clip. Lists have an entry for each frame shown after the beginning."""

    name: str
    frames: int = 0
    """How many were captured after the beginning."""
    index: list[int] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    """From when a frame was due to when it was shown."""
    mad: list[float] = field(default_factory=list)
    dtssd: list[float] = field(default_factory=list)
    """Against the frame that was shown before; none for the very first that was shown."""
    leak: list[float] = field(default_factory=list)
    """Share of the picture that is shown but should not be."""
    loss: list[float] = field(default_factory=list)
    """Share of the picture that should be shown but is not."""
    empty: int = 0
    """Frames without any alpha, though there is a subject."""
    lost: int = 0
    begun_s: float | None = None
    """When the first matte that was not empty was shown."""
    cpu_s: dict[str, float] = field(default_factory=dict)
    """By stage, of the whole clip."""
    captured: int = 0
    """Frames of the whole clip."""
    worst: list[Sample] = field(default_factory=list)
    """The frames with the largest MAD, largest first."""

    def figures(self) -> Figures:
        """The figures of the clip; None where there is nothing to measure."""
        late = sum(latency_s > IN_TIME_S for latency_s in self.latency_s)
        return {
            "shown": len(self.index) - late,
            "late": late,
            "lost": self.lost,
            "empty": self.empty,
            "mad": _mean(self.mad),
            "dtssd": _mean(self.dtssd),
            "leak": _mean(self.leak),
            "leak_worst": max(self.leak, default=None),
            "leaky": _mean([share > _LEAKY for share in self.leak]),
            "loss": _mean(self.loss),
            "loss_worst": max(self.loss, default=None),
            "latency_p50_ms": _quantile_ms(self.latency_s, 0.5),
            "latency_p95_ms": _quantile_ms(self.latency_s, 0.95),
            "begun_s": self.begun_s,
        }

    def by_frame(self, values: Sequence[float]) -> list[float | None]:
        """*values* of the frames that were shown, by index; None for all other frames."""
        found: list[float | None] = [None] * self.captured
        for index, value in zip(self.index, values, strict=True):
            found[index] = value
        return found

    def cpu_ms(self) -> dict[str, float]:
        """CPU milliseconds per captured frame, by stage."""
        count = max(self.captured, 1)
        return {stage: 1000 * spent_s / count for stage, spent_s in sorted(self.cpu_s.items())}

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "frames": self.frames,
            **rounded(self.figures()),
            "cpu_ms": rounded(dict(self.cpu_ms())),
            "by_frame": {
                "index": self.index,
                "latency_ms": [round(1000 * value, 2) for value in self.latency_s],
                "mad": [round(value, 5) for value in self.mad],
                "leak": [round(value, 6) for value in self.leak],
                "loss": [round(value, 6) for value in self.loss],
            },
        }


@dataclass(slots=True)
class _Seen:
    image: Image
    truth: Alpha


class Judge:
    """
    Compares what is shown of one clip with its truth, frame by frame.

    Args:
        clip: what is played.
        advance: called after each frame that is captured.

    Attributes:
        clip: what is played.
        watched: what was seen so far.

    Not thread-safe. Frames are captured in order, and each is then shown or lost, in order.
    """

    def __init__(self, clip: Clip, advance: Advance = lambda: None) -> None:
        self.watched = Watched(clip.name)
        self._advance = advance
        self.clip = clip
        self._settled = min(round(SETTLED_S * clip.fps), clip.frames // 2)
        self._waiting: dict[int, _Seen] = {}
        self._before: tuple[Alpha, Alpha] | None = None
        self._worst: list[tuple[float, int, Sample]] = []

    def capture(self, index: int) -> Image:
        """The picture of frame *index*, whose truth is kept until it is shown or lost."""
        image = self.clip.frame(index)
        self._waiting[index] = _Seen(image, self.clip.alpha(index))
        self.watched.captured += 1
        self._advance()
        if index >= self._settled:
            self.watched.frames += 1
        return image

    def lose(self, index: int) -> None:
        """Note that frame *index* will not be shown."""
        del self._waiting[index]
        if index >= self._settled:
            self.watched.lost += 1

    def spend(self, stage: str, cpu_s: float) -> None:
        """Add the CPU time that a stage took."""
        self.watched.cpu_s[stage] = self.watched.cpu_s.get(stage, 0.0) + cpu_s

    def show(self, index: int, alpha: Alpha, at_s: float) -> None:
        """Judge frame *index*, shown with *alpha*, (H, W) uint8, *at_s* from the clip's start."""
        seen = self._waiting.pop(index)
        watched, truth = self.watched, seen.truth
        anything = bool(alpha.any())
        if anything and watched.begun_s is None:
            watched.begun_s = at_s
        before, self._before = self._before, (alpha, truth)
        if index < self._settled:
            return
        error = mad(alpha, truth)
        watched.index.append(index)
        watched.latency_s.append(at_s - index / self.clip.fps)
        watched.mad.append(error)
        if before is not None:
            watched.dtssd.append(dtssd(alpha, before[0], truth, before[1]))
        watched.leak.append(leak(alpha, truth))
        watched.loss.append(loss(alpha, truth))
        if not anything and (truth > _HALF).any():
            watched.empty += 1
        sample = Sample(index, seen.image, truth, alpha, None)
        heapq.heappush(self._worst, (error, -index, sample))
        if len(self._worst) > _WORST:
            heapq.heappop(self._worst)

    def close(self) -> Watched:
        """What was seen; frames that still wait count neither as shown nor as lost."""
        self.watched.frames -= sum(index >= self._settled for index in self._waiting)
        ordered = sorted(self._worst, key=lambda entry: entry[:2])
        self.watched.worst = [sample for *_, sample in reversed(ordered)]
        return self.watched


def average(clips: Iterable[Watched]) -> Figures:
    """Figures over clips: the mean; for the worst frames the maximum, and for counts the sum."""
    rows = [clip.figures() for clip in clips]
    found: Figures = {}
    for name in FIGURES:
        values: list[float] = [value for row in rows if (value := row[name]) is not None]
        if name in COUNTS:
            found[name] = math.fsum(values)
        elif name.endswith("_worst"):
            found[name] = max(values, default=None)
        else:
            found[name] = _mean(values)
    return found


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return math.fsum(known) / len(known) if known else None


def _quantile_ms(values_s: list[float], share: float) -> float | None:
    return 1000 * float(np.quantile(values_s, share)) if values_s else None
