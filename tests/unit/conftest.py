"""What several folders share: a screen, and a way to start a script in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.control.window.xvfb import virtual_screen


@pytest.fixture(scope="session")
def screen() -> Iterator[str]:
    with virtual_screen("-noreset") as display:
        yield display


@pytest.fixture
def script_environment() -> dict[str, str]:
    """This process's environment without a screen, in which scripts find streamer and tests."""
    environment = dict(os.environ)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"):
        environment.pop(name, None)
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    return environment
