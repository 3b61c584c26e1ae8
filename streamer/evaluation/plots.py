"""Pictures of an evaluation: error over time, and the worst frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from streamer.evaluation.measuring import Sample
from streamer.frame import Alpha, Image

_WIDE, _TALL, _MARGIN = 960, 360, 56
_COLOURS = ((190, 110, 30), (30, 90, 220), (60, 160, 60), (170, 60, 160), (30, 170, 200))
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CELL = 360


def chart(title: str, lines: Mapping[str, Sequence[float | None]]) -> Image:
    """
    Values over frames, one line for each name; gaps where a value is None.

    Args:
        title: plain ASCII.
        lines: values of 0 and more.
    """
    picture = np.full((_TALL, _WIDE, 3), 255, np.uint8)
    known = [value for values in lines.values() for value in values if value is not None]
    top = _round_up(max(known, default=0.0))
    last = max(max((len(values) for values in lines.values()), default=1) - 1, 1)
    left, right, upper, lower = _MARGIN, _WIDE - 16, 56, _TALL - 36

    def place(index: int, value: float) -> tuple[int, int]:
        x = left + (right - left) * index / last
        return round(x), round(lower - (lower - upper) * min(value / top, 1))

    for part in range(5):
        value = top * part / 4
        y = place(0, value)[1]
        cv2.line(picture, (left, y), (right, y), (225, 225, 225), 1)
        _write(picture, f"{value:g}", (6, y + 4), (90, 90, 90), 0.4)
    for index in range(0, last + 1, max(1, math.ceil(last / 10))):
        _write(picture, str(index), (place(index, 0)[0] - 6, lower + 16), (90, 90, 90), 0.4)
    _write(picture, title, (left, 20), (0, 0, 0), 0.5)
    for number, (name, values) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        _write(
            picture, name, (left + 8 + 200 * (number % 4), 36 + 14 * (number // 4)), colour, 0.45
        )
        before: tuple[int, int] | None = None
        for index, height in enumerate(values):
            now = None if height is None else place(index, height)
            if now is not None:
                cv2.line(picture, before or now, now, colour, 1, cv2.LINE_AA)
            before = now
    return picture


def worst_sheet(samples: Sequence[Sample]) -> Image:
    """A row for each sample: the source if there is one, truth, prediction, their difference."""
    rows = []
    for sample in samples:
        cells = [] if sample.image is None else [_cell(sample.image, f"frame {sample.index}")]
        title = "truth" if cells else f"frame {sample.index}: truth"
        cells.append(_cell(_grey(sample.truth), title))
        cells.append(_cell(_grey(sample.prediction), sample.origin or "prediction"))
        difference = cv2.absdiff(sample.truth, sample.prediction).astype(np.uint8, copy=False)
        cells.append(_cell(_grey(difference), "difference"))
        rows.append(np.hstack(cells))
    return np.vstack(rows)


def _cell(picture: Image, title: str) -> Image:
    height = max(1, round(picture.shape[0] * _CELL / picture.shape[1]))
    small = cv2.resize(picture, (_CELL, height), interpolation=cv2.INTER_AREA)
    framed = cv2.copyMakeBorder(small, 18, 2, 2, 2, cv2.BORDER_CONSTANT, value=(64, 64, 64)).astype(
        np.uint8, copy=False
    )
    _write(framed, title, (6, 13), (255, 255, 255), 0.4)
    return framed


def _grey(alpha: Alpha) -> Image:
    return np.asarray(cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR), np.uint8)


def _write(
    picture: Image, text: str, place: tuple[int, int], colour: tuple[int, int, int], size: float
) -> None:
    cv2.putText(picture, text, place, _FONT, size, colour, 1, cv2.LINE_AA)


def _round_up(value: float) -> float:
    """The smallest of 1, 2, 5, 10 … (by powers of ten) from *value* up; 1 if that is 0."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * step for step in (1, 2, 5, 10) if unit * step >= value)
