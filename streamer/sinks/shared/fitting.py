"""A picture drawn into one of another size."""

from __future__ import annotations

import cv2
import numpy as np

from streamer.compositing import Picture


class Fitting:
    """
    Draws pictures of any size into *out*. One of its own size is copied; another is scaled with its
    shape kept, between bars that are black, or transparent where there is an alpha.

    Args:
        out: (H, W), (H, W, 3) or (H, W, 4) uint8; borrowed for good. Its rows may be padded.
        size: (width, height) of the pictures that are copied, into the upper left corner; *out*'s
            own when None.

    Not thread-safe. Allocates nothing.
    """

    def __init__(self, out: Picture, size: tuple[int, int] | None = None) -> None:
        self.out = out
        self._size = size or (out.shape[1], out.shape[0])
        self._drawn = self._size
        out[:] = 0

    def draw(self, picture: Picture) -> None:
        """Draw *picture*, which has as many channels as `out`; borrowed until this returns."""
        height, width = picture.shape[:2]
        if (width, height) != self._drawn:
            self.out[:] = 0
            self._drawn = (width, height)
        if (width, height) == self._size:
            np.copyto(self.out[:height, :width], picture)
            return
        rows, columns = self.out.shape[:2]
        scale = min(columns / width, rows / height)
        inner_width = max(1, min(columns, round(width * scale)))
        inner_height = max(1, min(rows, round(height * scale)))
        left, top = (columns - inner_width) // 2, (rows - inner_height) // 2
        cv2.resize(
            picture,
            (inner_width, inner_height),
            dst=self.out[top : top + inner_height, left : left + inner_width],
            interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        )
