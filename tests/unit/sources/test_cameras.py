from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

from streamer.sources.cameras import (
    ENUM_FMT,
    ENUM_FRAMEINTERVALS,
    ENUM_FRAMESIZES,
    QUERYCAP,
    Call,
    Camera,
    Mode,
    captures,
    card,
    list_cameras,
    list_v4l2,
    read_modes,
)


def capability(whole: int, device: int = 0) -> bytes:
    text = b"uvcvideo".ljust(16, b"\0") + b"HD Webcam".ljust(32, b"\0") + bytes(32)
    return text + struct.pack("=III", 0x060000, whole, device) + bytes(12)


CAPTURE = capability(0x84A00001, 0x04200001)
METADATA = capability(0x84A00001, 0x04A00000)


def driver(request: int, buffer: bytearray) -> bool:
    """MJPG at 640x480 with 30 and 15 fps, and YUYV as a range of sizes without rates."""
    mjpg, yuyv = (int.from_bytes(code, "little") for code in (b"MJPG", b"YUYV"))
    index = struct.unpack_from("=I", buffer)[0]
    if request == QUERYCAP:
        buffer[:] = CAPTURE
        return True
    if request == ENUM_FMT:
        kind = struct.unpack_from("=I", buffer, 4)[0]
        if kind != 1 or index > 1:
            return False
        struct.pack_into("=I", buffer, 44, (mjpg, yuyv)[index])
        return True
    code = struct.unpack_from("=I", buffer, 4)[0]
    if request == ENUM_FRAMESIZES:
        if index:
            return False
        if code == mjpg:
            struct.pack_into("=III", buffer, 8, 1, 640, 480)
        else:
            struct.pack_into("=I6I", buffer, 8, 3, 16, 1280, 2, 16, 720, 2)
        return True
    assert request == ENUM_FRAMEINTERVALS
    if code != mjpg or index > 1:
        return False
    struct.pack_into("=III", buffer, 16, 1, 1, (30, 15)[index])
    return True


MODES = (
    Mode("MJPG", 640, 480, 30.0),
    Mode("MJPG", 640, 480, 15.0),
    Mode("YUYV", 1280, 720, None),
)


def test_a_capture_device_is_told_from_its_metadata_twin():
    assert captures(CAPTURE)
    assert not captures(METADATA)
    assert captures(capability(0x04000001))
    assert card(CAPTURE) == "HD Webcam"


def test_formats_sizes_and_rates_are_enumerated():
    assert tuple(read_modes(driver)) == MODES


def test_a_driver_that_never_ends_its_lists_does_not_hold_us():
    def endless(request: int, buffer: bytearray) -> bool:
        return request == ENUM_FMT

    assert list(read_modes(endless)) == []


def test_capture_devices_are_listed_with_their_names_in_order(tmp_path):
    for number, name in ((0, "Front"), (10, "Back"), (2, "Gone"), (3, "")):
        (tmp_path / f"video{number}").mkdir()
        (tmp_path / f"video{number}" / "name").write_text(name + "\n")
    (tmp_path / "videoX").mkdir()

    @contextlib.contextmanager
    def connect(path: Path) -> Iterator[Call]:
        if path.name == "video2":
            raise FileNotFoundError(path)
        yield driver

    assert list_v4l2(tmp_path, Path("/dev"), connect) == [
        Camera(0, "/dev/video0", "Front", MODES),
        Camera(3, "/dev/video3", "HD Webcam", MODES),
        Camera(10, "/dev/video10", "Back", MODES),
    ]


def test_a_machine_without_cameras_has_an_empty_list(tmp_path):
    assert list_v4l2(tmp_path / "none", tmp_path, contextlib.nullcontext) == []
    assert isinstance(list_cameras(), list)
