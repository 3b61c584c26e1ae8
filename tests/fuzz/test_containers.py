"""Damaged files of every kind end a run in order; `python -m tests.fuzz` tries many more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
RUNS = 276
"""Six of each seed."""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks its runs, as Linux can")
@pytest.mark.timeout(900)
def test_damaged_files_end_in_time_with_a_word_and_a_code_that_is_documented():
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt-get install ffmpeg")
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--runs", str(RUNS), "--limit-s", "60"],
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=880,
    )
    assert done.returncode == 0, done.stdout + done.stderr
