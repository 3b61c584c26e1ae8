"""What the tests of the whole command share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.media.command import Command


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)
