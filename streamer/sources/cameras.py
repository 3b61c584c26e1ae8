"""
Which cameras this machine has, and what each offers.

Linux is asked through sysfs and V4L2's own calls, which open no stream; elsewhere the first
indexes are tried with OpenCV, which knows no names.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2

SYSFS = Path("/sys/class/video4linux")
DEVICES = Path("/dev")
_PROBED = 10

# linux/videodev2.h: request numbers encode direction, size and sequence; the same on every
# architecture that Python's wheels of OpenCV exist for.
QUERYCAP = 0x80685600
ENUM_FMT = 0xC0405602
ENUM_FRAMESIZES = 0xC02C564A
ENUM_FRAMEINTERVALS = 0xC034564B

_CAPABILITY = struct.Struct("=16s32s32sIII12x")
_FORMAT = struct.Struct("=III32sI16x")
_SIZE = struct.Struct("=III6I8x")
_INTERVAL = struct.Struct("=IIIII6I8x")
_CAPTURES = 0x1 | 0x1000
_HAS_DEVICE_CAPS = 0x80000000
_BUFFER_TYPES = (1, 9)
_DISCRETE = 1
_MOST = 64
"""Most entries read from any one list, in case a driver never ends it."""

Call = Callable[[int, bytearray], bool]
"""A V4L2 request on one device: fills the buffer, or answers false where there is no more."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One format, size and rate that a camera offers."""

    fourcc: str
    """`MJPG`, `YUYV`, …"""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    fps: float | None
    """Frames per second, or None where the driver does not say."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A capture device."""

    index: int
    """What `source.device` takes."""
    path: str
    """`/dev/video0`; empty where the platform has no such thing."""
    name: str
    """As the driver calls it."""
    modes: tuple[Mode, ...]
    """What it offers, in the driver's order; for a range, its largest size and highest rate."""


def list_cameras() -> list[Camera]:
    """The cameras of this machine by index; none is an empty list. Opens no stream on Linux."""
    return list_v4l2(SYSFS, DEVICES, _device_call) if SYSFS.parent.exists() else _probe()


def list_v4l2(
    sysfs: Path, devices: Path, connect: Callable[[Path], contextlib.AbstractContextManager[Call]]
) -> list[Camera]:
    """The capture devices under *sysfs*, asked through *connect*; one that fails is left out."""
    cameras = []
    for entry in sorted(sysfs.glob("video*"), key=lambda p: (len(p.name), p.name)):
        number = entry.name.removeprefix("video")
        if not number.isdigit():
            continue
        path = devices / entry.name
        try:
            name = (entry / "name").read_text(encoding="utf-8", errors="replace").strip()
            with connect(path) as call:
                capability = bytearray(_CAPABILITY.size)
                if not call(QUERYCAP, capability) or not captures(bytes(capability)):
                    continue
                modes = tuple(read_modes(call))
        except OSError:
            continue
        cameras.append(Camera(int(number), str(path), name or card(bytes(capability)), modes))
    return cameras


def captures(capability: bytes) -> bool:
    """Whether a `v4l2_capability` is of a device that delivers video (not its metadata twin)."""
    *_, whole, device = _CAPABILITY.unpack(capability)
    return bool((device if whole & _HAS_DEVICE_CAPS else whole) & _CAPTURES)


def card(capability: bytes) -> str:
    """The name in a `v4l2_capability`."""
    return _text(_CAPABILITY.unpack(capability)[1])


def read_modes(call: Call) -> Iterator[Mode]:
    """Each mode that a device enumerates."""
    for kind in _BUFFER_TYPES:
        for fourcc in _formats(call, kind):
            for width, height in _sizes(call, fourcc):
                rates = tuple(_rates(call, fourcc, width, height))
                for fps in rates or (None,):
                    yield Mode(_fourcc_text(fourcc), width, height, fps)


def _formats(call: Call, kind: int) -> Iterator[int]:
    for index in range(_MOST):
        buffer = bytearray(_FORMAT.pack(index, kind, 0, b"", 0))
        if not call(ENUM_FMT, buffer):
            return
        yield _FORMAT.unpack(buffer)[4]


def _sizes(call: Call, fourcc: int) -> Iterator[tuple[int, int]]:
    for index in range(_MOST):
        buffer = bytearray(_SIZE.pack(index, fourcc, 0, *[0] * 6))
        if not call(ENUM_FRAMESIZES, buffer):
            return
        _, _, kind, first, second, _, _, tallest, _ = _SIZE.unpack(buffer)
        if kind != _DISCRETE:
            # A range: min width, max width, step, min height, max height, step.
            yield second, tallest
            return
        yield first, second


def _rates(call: Call, fourcc: int, width: int, height: int) -> Iterator[float]:
    for index in range(_MOST):
        buffer = bytearray(_INTERVAL.pack(index, fourcc, width, height, 0, *[0] * 6))
        if not call(ENUM_FRAMEINTERVALS, buffer):
            return
        kind, numerator, denominator = _INTERVAL.unpack(buffer)[4:7]
        # Seconds per frame; of a range, the shortest comes first.
        if numerator:
            yield denominator / numerator
        if kind != _DISCRETE:
            return


def _fourcc_text(fourcc: int) -> str:
    return _text((fourcc & 0x7FFFFFFF).to_bytes(4, "little")).rstrip()


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")


@contextlib.contextmanager
def _device_call(path: Path) -> Iterator[Call]:
    import fcntl

    device = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def call(request: int, buffer: bytearray) -> bool:
        try:
            fcntl.ioctl(device, request, buffer, True)
        except OSError:
            return False
        return True

    try:
        yield call
    finally:
        os.close(device)


def _probe() -> list[Camera]:
    cameras = []
    for index in range(_PROBED):
        capture = cv2.VideoCapture(index)
        try:
            if capture.isOpened():
                mode = Mode(
                    _fourcc_text(int(capture.get(cv2.CAP_PROP_FOURCC))),
                    int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
                    int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
                    capture.get(cv2.CAP_PROP_FPS) or None,
                )
                cameras.append(Camera(index, "", f"camera {index}", (mode,)))
        finally:
            capture.release()
    return cameras
