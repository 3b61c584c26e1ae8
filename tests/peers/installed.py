"""Other people's programs: a test that needs one which is not on PATH is skipped, and says so."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

import pytest

_SERVER = """
import sys, gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
sys.exit(not all(Gst.ElementFactory.find(name) for name in sys.argv[1:]))
"""
_PACKAGES = (
    "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav"
)


def require(program: str, package: str) -> None:
    """Skip the test unless *program*, of Debian's *package*, is on PATH."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed: apt-get install {package}")


def gstreamer_python(*elements: str) -> str:
    """The first Python on PATH that has GStreamer's RTSP server and *elements*; skips without."""
    python = _gstreamer_python(os.environ.get("PATH", ""), elements)
    if python is None:
        pytest.skip(f"GStreamer's RTSP server is not installed: apt-get install {_PACKAGES}")
    return python


@functools.cache
def _gstreamer_python(path: str, elements: tuple[str, ...]) -> str | None:
    for folder in path.split(os.pathsep):
        python = shutil.which("python3", path=folder)
        if python and not _fails([python, "-c", _SERVER, *elements]):
            return python
    return None


def _fails(command: list[str]) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode
