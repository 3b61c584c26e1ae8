"""A sink for the tests of others: it remembers what it was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamer.errors import SinkError
from streamer.frame import Frame, Matte, Stamp, StreamInfo


@dataclass(frozen=True)
class Taken:
    """What one write brought: copies, since the arrays are borrowed."""

    stamp: Stamp
    image: np.ndarray
    alpha: np.ndarray


class FakeSink:
    """
    Keeps copies of frames and mattes.

    Args:
        fail_at: raise SinkError in the write of that number, from 0.
    """

    name = "fake"

    def __init__(self, fail_at: int | None = None) -> None:
        self.info: StreamInfo | None = None
        self.taken: list[Taken] = []
        self.closed = 0
        self._fail_at = fail_at

    def open(self, info: StreamInfo) -> None:
        self.info = info

    def write(self, frame: Frame, matte: Matte) -> None:
        if len(self.taken) == self._fail_at:
            raise SinkError("fake: told to fail here")
        self.taken.append(Taken(frame.stamp, frame.image.copy(), matte.alpha.copy()))

    def close(self) -> None:
        self.closed += 1

    def statistics(self) -> dict[str, Any]:
        return {"type": self.name, "frames": len(self.taken)}
