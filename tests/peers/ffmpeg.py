"""The ffmpeg commands, as an independent reader of what we write."""

from __future__ import annotations

import subprocess

from tests.peers.installed import require


def run(tool: str, *arguments: str) -> bytes:
    """What the tool prints on stdout, complaining of nothing; skips where it is not installed."""
    require(tool, "ffmpeg")
    command = [tool, "-v", "error", *arguments]
    answer = subprocess.run(command, check=True, capture_output=True)
    assert answer.stderr == b"", answer.stderr.decode()
    return answer.stdout
