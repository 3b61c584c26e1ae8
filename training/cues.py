"""What the network that corrects carried alphas is shown of a frame and its key frame."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Alpha
from streamer.matting.flow import Flow, Residual, carried, places
from streamer.matting.luma import Colours

CUES_SIZE = (144, 256)
"""(h, w) of the network's input and output, whatever the frames' shape."""
CUES = 11
"""Channels of its input."""
_FARTHEST = 60
"""Frames after which a key's age counts no further."""
_RESIDUAL, _GAP, _MOST = 32.0, 64.0, np.float32(2)
"""Levels that count as 1, of what flow leaves unexplained and of a difference of pictures; and the
largest that either counts."""

CueArray = NDArray[np.float32]
"""(CUES, 144, 256) float32."""


class Cues:
    """
    Gathers them, for frames of one size.

    Args:
        size: (h, w) of the small pictures.

    Not thread-safe.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._grid = places(size)
        self._to: Flow = np.empty_like(self._grid)
        self._way: Flow = np.empty((*CUES_SIZE, 2), np.float32)
        self._now, self._key, self._gaps = (np.empty((*CUES_SIZE, 3), np.uint8) for _ in range(3))
        self._alpha = np.empty(CUES_SIZE, np.uint8)
        self._residual = np.empty(CUES_SIZE, np.float32)

    def gather(
        self,
        now: Colours,
        key: Colours,
        alpha: Alpha,
        flow: Flow,
        residual: Residual,
        age: int,
        out: CueArray,
    ) -> None:
        """
        Write what is shown of a frame into *out*.

        Args:
            now: (h, w, 3) BGR of the frame.
            key: of its key frame.
            alpha: (h, w) of the key frame.
            flow: (h, w, 2) from the frame to the key frame.
            residual: (h, w) grey levels that *flow* leaves unexplained.
            age: frames between the two.
            out: overwritten. In turn: the frame's blue, green and red, less a half; the alpha,
                carried along the flow; the residual; the key's picture, carried, less a half; the
                age; by how much the frame differs from the key's as it stands; the key's alpha as
                it stands.
        """
        cv2.add(self._grid, flow, dst=self._to)
        _shrink(self._to, self._way)
        _shrink(now, self._now)
        _planes(self._now, out[0:3])
        np.multiply(carried(alpha, self._way), np.float32(1 / 255), out=out[3])
        _shrink(residual, self._residual)
        np.multiply(self._residual, np.float32(1 / _RESIDUAL), out=out[4])
        np.minimum(out[4], _MOST, out=out[4])
        _planes(carried(key, self._way), out[5:8])
        out[8] = min(age, _FARTHEST) / _FARTHEST
        _shrink(key, self._key)
        cv2.absdiff(self._now, self._key, dst=self._gaps)
        blue, green, red = cv2.split(self._gaps)
        gap = np.asarray(cv2.max(cv2.max(blue, green), red), np.uint8)
        np.multiply(gap, np.float32(1 / _GAP), out=out[9])
        np.minimum(out[9], _MOST, out=out[9])
        _shrink(alpha, self._alpha)
        np.multiply(self._alpha, np.float32(1 / 255), out=out[10])


def _shrink(array: NDArray[np.uint8] | NDArray[np.float32], out: NDArray[Any]) -> None:
    cv2.resize(array, CUES_SIZE[::-1], dst=out, interpolation=cv2.INTER_LINEAR)


def _planes(picture: Colours, out: CueArray) -> None:
    """*picture*, (144, 256, 3), as three planes about 0."""
    for channel, plane in zip(cv2.split(picture), out, strict=True):
        np.multiply(channel, np.float32(1 / 255), out=plane)
        np.subtract(plane, np.float32(0.5), out=plane)
