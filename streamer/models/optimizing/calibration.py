"""
The pictures that a model is quantised and proved on, as the network sees them.

They are whole pictures and crops of their subjects, since matting that tracks a subject shows the
network such crops.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from streamer.errors import ModelError
from streamer.frame import Image
from streamer.models.runtime.tensors import Tensors
from streamer.models.store.registry import Contract

WHOLE = 8
"""Most pictures to calibrate on."""
CROPS = 4
"""Most crops of subjects from them."""
SHARE = Fraction(3, 4)
"""
Share of the input's sides to calibrate at, if the graph's size is free. This takes half the time,
for ranges as good as at full size. At a half, `isnet` differs twice as much at its own size.
"""
PROOFS = 8
"""Most pictures to prove on."""
FULL_PROOFS = 3
"""Most of them at the input's own size, which takes four times as long as half of it."""

_MARGIN = 0.15
"""Margin of a crop around the subject, as a share of the subject's box."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """(H, W, 3) uint8 BGR pictures of any sizes."""

    calibration: Sequence[Image]
    proof: Sequence[Image]
    """None of these is in `calibration`."""
    described: str
    """Where they come from, for the proof; no credentials."""

    def digest(self) -> str:
        """A hash of all of them."""
        whole = hashlib.sha256()
        for picture in (*self.calibration, *self.proof):
            whole.update(repr(picture.shape).encode())
            whole.update(picture.tobytes())
        return whole.hexdigest()


def divide(
    images: Sequence[Image], described: str, spare: Callable[[], Sequence[Image]]
) -> Pictures:
    """
    Keep every third of *images* for the proof.

    Args:
        images: at least one.
        described: where they come from.
        spare: makes pictures to prove on when *images* is too short to keep any.

    Raises:
        ModelError: there is no picture.
    """
    if not images:
        raise ModelError(f"--calibrate {described}: gives no picture: name another source")
    proof = list(images[1::3])
    calibration = [image for number, image in enumerate(images) if number % 3 != 1]
    return Pictures(spread(calibration, WHOLE), spread(proof or spare(), PROOFS), described)


def spread(images: Sequence[Image], count: int) -> list[Image]:
    """At most *count* of *images*, evenly spread."""
    if len(images) <= count:
        return list(images)
    return [images[round(n * (len(images) - 1) / (count - 1))] for n in range(count)]


class Eye:
    """Turns pictures into a network's input of one size, and estimates into coverage."""

    def __init__(self, contract: Contract, size: tuple[int, int]) -> None:
        self._tensors = Tensors(size, contract)
        self._logits = contract.logits

    def tensor(self, image: Image) -> np.ndarray[Any, Any]:
        """(1, 3, height, width) float32; overwritten by the next call."""
        self._tensors.fill(np.ascontiguousarray(image))
        return self._tensors.input

    def coverage(self, estimate: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The network's output as (height, width) float32 in 0..1."""
        values = np.asarray(estimate, np.float32).reshape(estimate.shape[-2:])
        if self._logits:
            values = 1 / (1 + np.exp(-np.clip(values, -80, 80)))
        return np.asarray(np.clip(np.nan_to_num(values), 0, 1), np.float32)


def subject(image: Image, coverage: np.ndarray[Any, Any]) -> Image | None:
    """
    The part of *image* around its subject; None if there is none, or it is tiny or fills the image.

    Args:
        image: (H, W, 3).
        coverage: of *image*, of any size, in 0..1.
    """
    rows = np.flatnonzero((coverage > 0.5).any(axis=1))
    columns = np.flatnonzero((coverage > 0.5).any(axis=0))
    if not len(rows) or not len(columns):
        return None
    top, bottom = _span(rows, coverage.shape[0], image.shape[0])
    left, right = _span(columns, coverage.shape[1], image.shape[1])
    part = (bottom - top) * (right - left) / (image.shape[0] * image.shape[1])
    if not 0.02 <= part <= 0.8:
        return None
    return image[top:bottom, left:right]


def _span(indices: np.ndarray[Any, Any], of: int, to: int) -> tuple[int, int]:
    """The span of *indices* out of *of*, with the margin, scaled to a slice of *to* pixels."""
    first, last = indices[0] / of, (indices[-1] + 1) / of
    margin = _MARGIN * (last - first)
    return max(0, round((first - margin) * to)), min(to, round((last + margin) * to))
