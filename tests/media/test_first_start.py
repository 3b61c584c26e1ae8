"""One command from a model that was just fetched to a live matte in a window."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.evaluation import make_clip
from streamer.evaluation.film import encode
from tests.media.command import REPOSITORY
from tests.unit.control.window.xvfb import virtual_screen

FRAMES, WIDTH, HEIGHT = 60, 640, 360


@pytest.mark.timeout(600)  # it makes an int8 file of the model first
def test_the_first_preview_on_a_cpu_makes_the_model_fast_and_is_live(
    isnet: Path, tmp_path: Path
) -> None:
    """As a user does it who has installed the package and knows one command."""
    clip = make_clip("webcam-talking", width=WIDTH, height=HEIGHT, frames=FRAMES, seed=1002)
    pictures = (clip.frame(index) for index in range(FRAMES))
    (tmp_path / "camera.mp4").write_bytes(encode(pictures, WIDTH, HEIGHT, clip.fps, 4_000_000))
    cache = tmp_path / "cache"
    (cache / "models").mkdir(parents=True)
    shutil.copy(isnet, cache / "models")
    command = [sys.executable, "-m", "streamer", "preview", "camera.mp4", "--model", "isnet"]
    command += ["--set", "source.loop=true", "--for", "12"]
    command += ["--set", "sinks.1={type: record, path: seen.mp4}"]
    with virtual_screen() as display:
        ended = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ
            | {"STREAMER_CACHE": str(cache), "DISPLAY": display, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    assert "making a faster file of the model" in ended.stderr
    assert "isnet; int8" in ended.stdout
    assert list((cache / "optimized").glob("isnet-*/int8.onnx"))
    with av.open(str(tmp_path / "seen.mp4")) as film:
        last = [frame.to_ndarray(format="gray") for frame in film.decode(video=0)][-1]
    mask = last[:, WIDTH:] > 127
    truths = [clip.alpha(index) > 127 for index in range(0, FRAMES, 5)]
    fits = [np.count_nonzero(mask & true) / np.count_nonzero(mask | true) for true in truths]
    assert max(fits) > 0.9
