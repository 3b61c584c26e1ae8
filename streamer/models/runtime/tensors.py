"""
Turning pixels into a network's input, and its output into an alpha, for one size of input.

The formulas are those of BRIA's reference code for RMBG-1.4: pictures are stretched bilinearly to
the network's size and back, in RGB as `(x/255 - mean) / std`.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from streamer.errors import SegmentError
from streamer.frame import Alpha, Image
from streamer.models.store.registry import Contract

_LEAST, _MOST = -1.0, 2.0
"""Bounds of an alpha, which may overshoot 0..1 a little; values before a sigmoid exceed them."""

Values = np.ndarray[Any, np.dtype[np.float32]]


class Tensors:
    """
    Fills and reads the arrays for one size of the network's input, which are allocated once.

    Args:
        size: (height, width) of the network's input.
        contract: how the graph expects its input and what its output means.
        dtype: of the input, float32 or float16.
        output_dtype: of the output, float32 or float16.
        output_rank: dimensions of the output, two or more; those before the last two are 1.
        normalize: stretch each alpha to its own minimum and maximum.
        smooth: shrink a much larger picture by averaging. Else always bilinearly, as the reference
            does; shrinking below a half, that samples only a few pixels and flickers.

    Not thread-safe. `fill` and `read` allocate nothing of a frame's size, unless *normalize* is on.
    """

    def __init__(
        self,
        size: tuple[int, int],
        contract: Contract,
        *,
        dtype: npt.DTypeLike = np.float32,
        output_dtype: npt.DTypeLike = np.float32,
        output_rank: int = 4,
        normalize: bool = False,
        smooth: bool = False,
    ) -> None:
        height, width = size
        self.input: np.ndarray[Any, Any] = np.zeros((1, 3, height, width), dtype)
        """(1, 3, height, width), RGB; what the network reads."""
        self.estimate: np.ndarray[Any, Any] = np.zeros(
            (1,) * (output_rank - 2) + size, output_dtype
        )
        """(…, height, width); what the network writes."""
        self._logits = contract.logits
        self._normalize = normalize
        self._smooth = smooth
        self._small: Image = np.empty((height, width, 3), np.uint8)
        self._planes = [np.empty((height, width), np.uint8) for _ in range(3)]
        self._alpha: Alpha = np.empty((height, width), np.uint8)
        self._probability: Values = np.empty((height, width), np.float32)
        levels = np.arange(256, dtype=np.float64) / 255
        self._tables = [
            ((levels - mean) / std).astype(np.float32)
            for mean, std in zip(contract.mean, contract.std, strict=True)
        ]

    def fill(self, image: Image) -> None:
        """Put *image*, (H, W, 3) uint8 BGR with packed rows, into `input`."""
        height, width = self._alpha.shape
        much_larger = image.shape[0] > 2 * height or image.shape[1] > 2 * width
        shrinks = image.shape[0] >= height and image.shape[1] >= width
        by = cv2.INTER_AREA if self._smooth and much_larger and shrinks else cv2.INTER_LINEAR
        cv2.resize(image, (width, height), dst=self._small, interpolation=by)
        cv2.split(self._small, self._planes)
        for channel, (plane, table) in enumerate(
            zip(reversed(self._planes), self._tables, strict=True)
        ):
            if self.input.dtype == np.float32:
                cv2.LUT(plane, table, dst=self.input[0, channel])
            else:
                cv2.LUT(plane, table, dst=self._probability)
                np.copyto(self.input[0, channel], self._probability, casting="same_kind")

    def read(self, out: Alpha) -> None:
        """
        Write what `estimate` means into *out*, (H, W) uint8 with packed rows.

        Raises:
            SegmentError: it holds NaN or infinity, or values that are no alpha; *out* is
                unchanged.
        """
        estimate: Any = self.estimate.reshape(self._alpha.shape)
        if self._logits or self._normalize or estimate.dtype != np.float32:
            np.copyto(self._probability, estimate)
            estimate = self._probability
        least, most = float(estimate.min()), float(estimate.max())
        self._require_alpha(least, most)
        if self._logits:
            _sigmoid(estimate)
        elif least < 0 and not self._normalize:
            np.maximum(estimate, 0, out=estimate)
        height, width = out.shape
        if self._normalize:
            _stretch(cv2.resize(estimate, (width, height)), out)
            return
        cv2.convertScaleAbs(estimate, dst=self._alpha, alpha=255)
        cv2.resize(self._alpha, (width, height), dst=out, interpolation=cv2.INTER_LINEAR)

    def _require_alpha(self, least: float, most: float) -> None:
        """Raise SegmentError unless values from *least* to *most* can be an alpha."""
        # Before a sigmoid, infinity is as good as 80.
        is_number = not math.isnan(least) if self._logits else math.isfinite(most - least)
        if not is_number:
            shape = list(self.estimate.shape)
            raise SegmentError(
                f"its output, {shape}, holds what is no number (NaN or infinite): the model is "
                "damaged, or overflows: try its fp32 file"
            )
        if not (self._logits or self._normalize or _LEAST <= least <= most <= _MOST):
            raise SegmentError(
                f"its output is no alpha, for it reaches from {least:.4g} to {most:.4g} instead of "
                "0 to 1: write model.contract: {logits: true} if it is before its sigmoid, or "
                "model.contract.output to name another"
            )


def _sigmoid(values: Values) -> None:
    """`1 / (1 + exp(-x))` in place; cannot overflow, as `exp` gets at most 80."""
    np.clip(values, -80, 80, out=values)
    np.negative(values, out=values)
    np.exp(values, out=values)
    np.add(values, 1, out=values)
    np.reciprocal(values, out=values)


def _stretch(estimate: Any, out: Alpha) -> None:
    """Min-max normalise into *out*; a flat estimate, which shows no foreground, becomes 0."""
    low, high = float(estimate.min()), float(estimate.max())
    if not high - low > 1e-6:
        out.fill(0)
        return
    np.copyto(out, np.rint((estimate - low) * (255 / (high - low))), casting="unsafe")
