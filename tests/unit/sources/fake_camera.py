"""A camera that is not there, on a clock that only waiting moves."""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np

from streamer.config import UsbSourceConfig
from streamer.sources.cameras import Camera
from streamer.sources.usb import UsbSource


class MovedClock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 5_000_000_000
        self.waits = 0

    def now_ns(self) -> int:
        return self.now

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.waits += 1
        self.now += int(timeout_s * 1e9)
        return event.is_set()


class FakeCapture:
    """A `cv2.VideoCapture` of a camera with one size; *grabs* says which grabs succeed."""

    def __init__(self, clock: MovedClock, size: tuple[int, int] = (64, 48)) -> None:
        self.clock = clock
        self.size = size
        self.opened = True
        self.alive = True
        self.readable = True
        self.channels = 3
        self.props: dict[int, float] = {cv2.CAP_PROP_FPS: 30.0}
        self.asked: list[int] = []
        self.obeys = True
        self.released = 0
        self.level = 0

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's
        return self.opened

    def set(self, prop: int, value: float) -> bool:
        self.asked.append(prop)
        if self.obeys:
            self.props[prop] = value
        return self.obeys

    def get(self, prop: int) -> float:
        return self.props.get(prop, 0.0)

    def grab(self) -> bool:
        self.clock.now += 33_000_000
        self.level += 1
        return self.alive

    def retrieve(self, image: Any = None) -> tuple[bool, Any]:
        if not self.readable:
            return False, None
        shape = (self.size[1], self.size[0], self.channels)
        if image is not None and image.shape == shape:
            image.fill(self.level)
            return True, image
        return True, np.full(shape if self.channels > 1 else shape[:2], self.level, np.uint8)

    def release(self) -> None:
        self.released += 1
        self.opened = False


class Bench:
    """A source on a fake capture."""

    def __init__(self, **fields: Any) -> None:
        self.clock = MovedClock()
        self.capture = FakeCapture(self.clock)
        self.devices: list[int | str] = []
        self.cameras = [
            Camera(2, "/dev/video2", "Integrated Camera", ()),
            Camera(4, "/dev/video4", "HD Pro Webcam C920", ()),
        ]
        config = UsbSourceConfig.model_validate({"type": "usb", **fields})
        self.source = UsbSource(
            config, capture=self.take, cameras=lambda: self.cameras, clock=self.clock
        )

    def take(self, device: int | str) -> FakeCapture:
        self.devices.append(device)
        return self.capture
