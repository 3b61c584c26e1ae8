"""
A camera on this machine, through OpenCV's backend for the platform.

Frames are stamped after the grab. A camera that stops delivering ends in an error within a
bounded time, whatever its driver answers.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.config import UsbSourceConfig
from streamer.core.clock import Clock, SystemClock
from streamer.errors import (
    CorruptFrame,
    FormatChanged,
    SourceLost,
    SourceNotFound,
    SourceTimeout,
    SourceUnsupported,
)
from streamer.frame import Grab, Image, StreamInfo
from streamer.sources.cameras import Camera, list_cameras
from streamer.sources.thinning import Thinning

log = logging.getLogger(__name__)

_TIME_BASE = Fraction(1, 1_000_000)
_SILENCE_S = 3.0
"""Seconds of failed grabs after which the source ends."""
_RETRY_S = 0.03
_RATE_SLACK = 0.02


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used here."""

    def isOpened(self) -> bool: ...  # noqa: D102, N802 - OpenCV's
    def set(self, propId: int, value: float) -> bool: ...  # noqa: D102, N803 - OpenCV's
    def get(self, propId: int) -> float: ...  # noqa: D102, N803 - OpenCV's
    def grab(self) -> bool: ...  # noqa: D102 - OpenCV's
    def retrieve(self, image: Any = None) -> tuple[bool, Any]: ...  # noqa: D102 - OpenCV's
    def release(self) -> None: ...  # noqa: D102 - OpenCV's


def open_capture(device: int | str) -> Capture:
    """OpenCV's capture of *device* (index or path) through this platform's own backend."""
    if sys.platform.startswith("linux"):
        backend = cv2.CAP_V4L2
    elif sys.platform == "win32":
        backend = cv2.CAP_DSHOW
    elif sys.platform == "darwin":
        backend = cv2.CAP_AVFOUNDATION
    else:
        backend = cv2.CAP_ANY
    return cv2.VideoCapture(device, backend)


class UsbSource:
    """One camera. Its timestamps are the capture times, in microseconds."""

    def __init__(
        self,
        config: UsbSourceConfig,
        *,
        capture: Callable[[int | str], Capture] = open_capture,
        cameras: Callable[[], list[Camera]] = list_cameras,
        clock: Clock | None = None,
    ) -> None:
        """
        Args:
            config: which camera, and what to ask of it.
            capture: opens a device; tests hand in their own.
            cameras: lists the devices, asked only for a device given by name.
            clock: time and waiting; the system's when absent.
        """
        self._config = config
        self._open_capture = capture
        self._cameras = cameras
        self._clock = clock or SystemClock()
        self._never = threading.Event()
        self._capture: Capture | None = None
        self._pending: tuple[Image, int] | None = None
        self._size = (0, 0)
        self._fps: Fraction | None = None
        self._last_us = -1
        self._thinning = Thinning(config.max_fps)

    def __repr__(self) -> str:
        return f"UsbSource({self._config.device!r})"

    @property
    def name(self) -> str:
        """`camera 0`, or the device as it was given."""
        device = self._config.device
        return f"camera {device}" if isinstance(device, int) else device

    def open(self) -> StreamInfo:
        """
        Open the camera, ask for the configured mode and take one frame to learn the true size.

        Raises:
            SourceNotFound: no such camera, or another program has it.
            SourceTimeout: it opened and delivers nothing.
            SourceUnsupported: it delivers no colour pictures.
        """
        device = self._device()
        self._capture = self._open_capture(device)
        if not self._capture.isOpened():
            raise SourceNotFound(
                f"{self.name}: cannot be opened: not there, or in use by another program "
                "(`streamer cameras` lists them)"
            )
        self._ask(self._capture)
        image, captured_ns = self._first(self._capture)
        self._pending = (image, captured_ns)
        self._thinning.takes(captured_ns / 1e9)
        self._size = (image.shape[1], image.shape[0])
        self._check(self._capture)
        return self._info()

    def _first(self, capture: Capture) -> tuple[Image, int]:
        """The first whole frame and its time: many cameras begin with a truncated one."""
        deadline_ns = self._clock.now_ns() + int(_SILENCE_S * 1e9)
        while True:
            captured_ns = self._grab(capture)
            try:
                return self._retrieve(capture, None), captured_ns
            except CorruptFrame:
                if self._clock.now_ns() > deadline_ns:
                    raise

    def read(self, out: Image) -> Grab:
        """Write the next frame into *out*; see `Source.read`."""
        if self._capture is None:
            raise SourceLost(f"{self.name}: is not open")
        if out.shape != (self._size[1], self._size[0], 3):
            raise ValueError(f"an array of {out.shape} for a frame of {self._size}")
        if self._pending is not None:
            image, captured_ns = self._pending
        else:
            captured_ns = self._grab_due(self._capture)
            image = self._retrieve(self._capture, out)
            if image.shape != out.shape:
                self._pending = (image, captured_ns)
                self._size = (image.shape[1], image.shape[0])
                raise FormatChanged(self._info())
        if image.ctypes.data != out.ctypes.data:
            np.copyto(out, image)
        self._pending = None
        self._last_us = max(captured_ns // 1000, self._last_us + 1)
        return Grab(self._last_us, _TIME_BASE, captured_ns)

    def close(self) -> None:
        """Release the camera. Never raises."""
        capture, self._capture, self._pending = self._capture, None, None
        if capture is not None:
            try:
                capture.release()
            except cv2.error as error:
                log.warning("%s: could not be released: %s", self.name, error)

    def _device(self) -> int | str:
        device = self._config.device
        if isinstance(device, int):
            return device
        if device.startswith("/"):
            if not Path(device).exists():
                raise SourceNotFound(f"{device}: no such device (`streamer cameras` lists them)")
            return device
        found = [c for c in self._cameras() if device.lower() in c.name.lower()]
        if not found:
            raise SourceNotFound(
                f"{device}: no camera has this in its name (`streamer cameras` lists them)"
            )
        if len(found) > 1:
            log.warning("%s: several cameras match: taking %d, %s", device, *_which(found[0]))
        return found[0].index

    def _ask(self, capture: Capture) -> None:
        config = self._config
        # The format first: drivers reset size and rate with it.
        if config.fourcc is not None:
            code = sum(ord(letter) << (8 * place) for place, letter in enumerate(config.fourcc))
            capture.set(cv2.CAP_PROP_FOURCC, code)
        if config.width is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, config.width)
        if config.height is not None:
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height)
        if config.fps is not None:
            capture.set(cv2.CAP_PROP_FPS, config.fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def _check(self, capture: Capture) -> None:
        """Compare what was asked for with what the driver gave; the size is the frame's own."""
        rate = capture.get(cv2.CAP_PROP_FPS)
        known = math.isfinite(rate) and rate > 0
        self._fps = Fraction(rate).limit_denominator(1001) if known else None
        config = self._config
        if self._fps is not None and config.max_fps is not None:
            self._fps = min(self._fps, Fraction(str(config.max_fps)))
        code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        given = code.to_bytes(4, "little").decode("ascii", "replace").strip("\0")
        if config.fourcc is not None and given and given != config.fourcc:
            self._warn("fourcc", config.fourcc, given)
        if config.width is not None and self._size[0] != config.width:
            self._warn("width", config.width, self._size[0])
        if config.height is not None and self._size[1] != config.height:
            self._warn("height", config.height, self._size[1])
        if config.fps is not None and not (
            known and math.isclose(rate, config.fps, rel_tol=_RATE_SLACK)
        ):
            self._warn("fps", f"{config.fps:g}", f"{rate:g}" if known else "an unknown rate")

    def _warn(self, what: str, asked: object, given: object) -> None:
        log.warning("%s: %s: asked for %s, the driver gave %s", self.name, what, asked, given)

    def _grab_due(self, capture: Capture) -> int:
        """Grab the next frame to take. Frames that are skipped for `max_fps` are never decoded."""
        while True:
            captured_ns = self._grab(capture)
            if self._thinning.takes(captured_ns / 1e9):
                return captured_ns

    def _grab(self, capture: Capture) -> int:
        """Grab one frame; return the time after it in nanoseconds."""
        deadline_ns = self._clock.now_ns() + int(_SILENCE_S * 1e9)
        while not capture.grab():
            device = self._config.device
            if isinstance(device, str) and device.startswith("/") and not Path(device).exists():
                raise SourceLost(f"{self.name}: was unplugged")
            if not capture.isOpened():
                raise SourceLost(f"{self.name}: was closed by its driver")
            if self._clock.now_ns() >= deadline_ns:
                raise SourceTimeout(f"{self.name}: delivered no frame for {_SILENCE_S:g} s")
            self._clock.wait(self._never, _RETRY_S)
        return self._clock.now_ns()

    def _retrieve(self, capture: Capture, out: Image | None) -> Image:
        try:
            done, image = capture.retrieve(out) if out is not None else capture.retrieve()
        except cv2.error as error:
            raise CorruptFrame(f"{self.name}: a frame could not be decoded") from error
        if not done or image is None:
            raise CorruptFrame(f"{self.name}: a frame could not be decoded")
        return self._colour(image)

    def _colour(self, image: NDArray[Any]) -> Image:
        if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
            return image
        if image.dtype == np.uint8 and (image.ndim == 2 or image.shape[2] == 1):
            return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)
        raise SourceUnsupported(
            f"{self.name}: delivers {image.dtype} {image.shape}: ask for another `fourcc`"
        )

    def _info(self) -> StreamInfo:
        return StreamInfo(self.name, *self._size, fps=self._fps, time_base=_TIME_BASE, live=True)


def _which(camera: Camera) -> tuple[int, str]:
    return camera.index, camera.name
