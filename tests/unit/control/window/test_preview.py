"""The whole command with its window, steered by keys."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.config import load_config
from tests.conftest import MakeModel
from tests.unit.control.window.hosting import Host


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Twenty seconds of a moving bar."""
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(500):
            picture = np.zeros((120, 160, 3), np.uint8)
            picture[:, number % 140 : number % 140 + 20] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def host(
    screen: str,
    tmp_path: Path,
    script_environment: dict[str, str],
    film: Path,
    make_model: MakeModel,
    monkeypatch: pytest.MonkeyPatch,
):
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed: apt-get install xdotool")
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "streamer", "--verbose", "preview", film.name]
    command += ["--model", make_model("tiny.onnx", size=32).name]
    host = Host.start(command, script_environment | {"DISPLAY": screen})
    yield host
    host.stop()


def test_a_preview_is_recorded_switched_and_saved_by_keys(host: Host):
    host.wait_for("film.mp4: live")
    host.press("v")
    film = Path(host.wait_for("recording: ").removeprefix("recording: "))
    host.press("t")
    host.wait_for("now: model tiny.onnx, matting tracked")
    config = None
    while config is None or config.refine.threshold == 0.5:
        host.press("bracketright")  # of two keys at once the window library may lose the first
        host.press("w")
        settings = Path(host.wait_for("written: ").removeprefix("written: "))
        config = load_config(settings)
    host.press("q")
    assert host.wait_end() == 0, host.said
    assert config.matting.mode == "tracked"
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 1
    assert {path.suffix for path in Path("out").iterdir()} == {".mp4", ".yaml"}
