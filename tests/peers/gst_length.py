"""GStreamer as a player that trusts what a file says of itself."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest

_PYTHON = "/usr/bin/python3"
"""The system's, which has gi where it is installed."""
_SCRIPT = Path(__file__).with_name("gst_discoverer.py")
_NEEDS = "import gi; gi.require_version('GstPbutils', '1.0')"


def told_s(path: Path) -> float:
    """How long GStreamer says that the file is, in seconds; skips where it is not installed."""
    if not _is_installed():
        pytest.skip("GStreamer's discoverer is not installed")
    said = subprocess.run(
        [_PYTHON, str(_SCRIPT), str(path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return float(said.stdout)


@cache
def _is_installed() -> bool:
    try:
        return not subprocess.run(
            [_PYTHON, "-c", _NEEDS], check=False, capture_output=True
        ).returncode
    except OSError:
        return False
