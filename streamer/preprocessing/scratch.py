"""Memory for pictures whose size changes from call to call."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class Scratch:
    """
    A buffer for one array, which grows to the largest one requested and is then reused.

    Args:
        dtype: of its elements.
    """

    def __init__(self, dtype: npt.DTypeLike = np.uint8) -> None:
        self._memory: npt.NDArray[Any] = np.empty(0, dtype)

    def lend(self, *shape: int) -> npt.NDArray[Any]:
        """A C-contiguous array of *shape* with any content, good until the next call."""
        size = int(np.prod(shape))
        if self._memory.size < size:
            self._memory = np.empty(size, self._memory.dtype)
        return self._memory[:size].reshape(shape)
