"""
Whether a window can be shown here, found out without touching the window library.

Qt ends the whole process when it cannot reach the X server, so the server is asked first, by the
handshake of the X protocol (X.Org, "X Window System Protocol", section 8, Connection Setup).
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2

from streamer.core.home import home

_TIMEOUT_S = 0.8
_WAY_OUT = "set DISPLAY, or use a record or images sink"
_COOKIE = b"MIT-MAGIC-COOKIE-1"
_QT_PLUGINS = Path(cv2.__file__).parent / "qt" / "plugins" / "platforms"


def window_problem() -> str | None:
    """Why no window can be shown here, in one line with the way out; None where it can."""
    with asked_screen() as problem:
        return problem


@contextmanager
def asked_screen() -> Iterator[str | None]:
    """
    The answer of `window_problem`; the connection to the X server stays open meanwhile.

    An X server may restart when its only client leaves, and a window that is opened just then would
    not reach it: open the first window inside this context.
    """
    framework = getattr(cv2, "currentUIFramework", str)()
    if not framework:
        yield "this OpenCV has no windows: pip install opencv-python instead of the headless one"
        return
    is_linux = sys.platform.startswith("linux")
    if not is_linux or (os.environ.get("WAYLAND_DISPLAY") and not _only_x11()):
        yield None
        return
    try:
        server, _ = _reach_x11()
    except OSError as error:
        reason = str(error)
        yield f"no screen: {reason}: {_WAY_OUT}" if reason else f"no screen: {_WAY_OUT}"
        return
    with server:
        yield None


def prepare_windows() -> None:
    """Prepare this process for OpenCV's bundled Qt on X11; to be called before the first window."""
    if not (sys.platform.startswith("linux") and _only_x11()):
        return
    # This Qt has no other platform, and ends the process when it looks for one.
    os.environ["QT_QPA_PLATFORM"] = "xcb"
    # OpenCV brings its own libX11-xcb but uses the system's libX11. Where their versions differ,
    # its XSetEventQueueOwner has no effect, Xlib and Qt both take events from the connection, and
    # Xlib's share is lost: keys, or the Expose without which a new window stays black for good. The
    # system's libX11-xcb is found first once it is loaded globally.
    with suppress(OSError):
        ctypes.CDLL("libX11-xcb.so.1", mode=ctypes.RTLD_GLOBAL)


def screen_size() -> tuple[int, int] | None:
    """(width, height) of the first screen in pixels, or None where it cannot be asked."""
    if sys.platform == "win32":
        metrics = ctypes.windll.user32.GetSystemMetrics
        return int(metrics(0)), int(metrics(1))
    try:
        server, size = _reach_x11()
    except OSError:
        return None
    server.close()
    return size


def _reach_x11() -> tuple[socket.socket, tuple[int, int]]:
    """
    A connection to the X server that DISPLAY names, and its first screen's (width, height).

    Raises:
        OSError: there is none, or it does not answer or admit us within a second; the error's text
            is empty where DISPLAY is not set.
    """
    display = os.environ.get("DISPLAY", "")
    if not display:
        raise OSError("")
    host, colon, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not colon or not number.isdecimal():
        raise OSError(f"DISPLAY={display} names no screen")
    server: socket.socket | None = None
    try:
        server = _connect(host, int(number))
        return server, _handshake(server, _cookie(number.encode()))
    except (OSError, OverflowError, struct.error) as error:
        if server is not None:
            server.close()
        if isinstance(error, TimeoutError):
            reason = f"the X server at DISPLAY={display} does not answer"
        elif isinstance(error, PermissionError):
            reason = f"the X server at DISPLAY={display} refuses us"
        else:
            reason = f"there is no X server at DISPLAY={display}"
        raise OSError(reason) from error


def _only_x11() -> bool:
    """Whether OpenCV's bundled Qt has no other way to a screen than X11."""
    return _QT_PLUGINS.is_dir() and {f.name for f in _QT_PLUGINS.iterdir()} == {"libqxcb.so"}


def _connect(host: str, number: int) -> socket.socket:
    if host and not host.startswith(("/", "unix")):
        return socket.create_connection((host.strip("[]"), 6000 + number), _TIMEOUT_S)
    file = f"{host}:{number}" if host.startswith("/") else f"/tmp/.X11-unix/X{number}"  # noqa: S108
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(_TIMEOUT_S)
    try:
        try:
            server.connect(file)
        except OSError:
            server.connect("\0" + file)
    except OSError:
        server.close()
        raise
    return server


def _handshake(server: socket.socket, cookie: bytes) -> tuple[int, int]:
    name = _COOKIE if cookie else b""
    server.sendall(
        struct.pack("<cxHHHHxx", b"l", 11, 0, len(name), len(cookie)) + _padded(name, cookie)
    )
    status, length = struct.unpack("<B5xH", _receive(server, 8))
    body = _receive(server, 4 * length)
    if status != 1:
        raise PermissionError
    vendor, formats = struct.unpack_from("<16xH3xB", body)
    screen = 32 + (vendor + 3) // 4 * 4 + 8 * formats
    width, height = struct.unpack_from("<20xHH", body, screen)
    return width, height


def _padded(*parts: bytes) -> bytes:
    return b"".join(part + bytes(-len(part) % 4) for part in parts)


def _receive(server: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        more = server.recv(size - len(received))
        if not more:
            raise ConnectionError
        received += more
    return received


def _cookie(number: bytes) -> bytes:
    """The secret for that display in the Xauthority file, this host's first; empty without one."""
    file = Path(os.environ.get("XAUTHORITY") or (home() or Path()) / ".Xauthority")
    try:
        content = file.read_bytes()
    except OSError:
        return b""
    found: list[tuple[bool, bytes]] = []
    offset = 2
    while offset < len(content):
        fields: list[bytes] = []
        for _ in range(4):
            (length,) = struct.unpack_from(">H", content, offset)
            fields.append(content[offset + 2 : offset + 2 + length])
            offset += 2 + length
        offset += 2
        address, display, name, secret = fields
        if name == _COOKIE and display in (b"", number):
            found.append((address != socket.gethostname().encode(), secret))
    return min(found, key=lambda entry: entry[0])[1] if found else b""
