"""A virtual camera without a device, as strict as pyvirtualcam's."""

from __future__ import annotations

import numpy as np


class FakeCamera:
    """Keeps what it was shown."""

    def __init__(self, width: int, height: int, fps: float, device: str | None) -> None:
        self.shape = (height, width, 3)
        self.fps = fps
        self.device = device or "/dev/video42"
        self.shown: list[np.ndarray] = []
        self.closed = 0

    def send(self, frame: np.ndarray) -> None:
        if self.closed:
            raise RuntimeError("camera is closed")
        if frame.shape != self.shape or frame.dtype != np.uint8 or not frame.flags.c_contiguous:
            raise ValueError(f"unexpected frame: {frame.shape} {frame.dtype}")
        self.shown.append(frame.copy())

    def close(self) -> None:
        self.closed += 1
