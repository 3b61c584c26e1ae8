"""What was made here: found when it is whole, for this file and this CPU, and used when proved."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import numpy as np
import pytest

from streamer.config import ModelConfig
from streamer.errors import ModelCorrupt, ModelError
from streamer.models import load_segmenter
from streamer.models.store import artefacts
from streamer.models.store.artefacts import Artefact, alone, find, key_of, publish, workshop
from streamer.models.store.cache import sha256_of
from streamer.models.store.registry import lookup
from streamer.models.store.weights import resolve

ISNET = lookup("isnet")
KEY = key_of(ISNET.file("fp16").sha256, ISNET.contract)
PROOF = {
    "model": {"name": "isnet", "sha256": "", "asked_as": "isnet"},
    "settings": {},
    "input_size": [1024, 1024],
    "size_multiple": 64,
    "reduced_range": False,
    "comparisons": [{"mad": 0.003, "speed_up": 3.5}],
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(artefacts, "saturates", lambda: False)
    return tmp_path / "cache"


def made(key: str = KEY, content: bytes = b"graph", **proof: object) -> Artefact:
    with workshop(key) as folder:
        (folder / "fp32.onnx").write_bytes(content + b" of floats")
        (folder / "int8.onnx").write_bytes(content)
        return publish(folder, key, "isnet", PROOF | proof)


def test_auto_takes_the_int8_file_on_a_cpu_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    artefact = made()
    with caplog.at_level(logging.INFO, "streamer.models"):
        resolved = resolve(ModelConfig(name="isnet"), on_gpu=False)
    assert (resolved.path, resolved.precision) == (artefact.path("int8"), "int8")
    assert resolved.sha256 == artefact.sha256("int8")
    assert resolved.artefact == artefact
    assert resolved.made_for == (1024, 1024)
    assert "3.5 times as fast as fp32" in caplog.text
    assert "0.0030" in caplog.text


def test_fp32_of_any_size_is_the_folded_graph() -> None:
    artefact = made()
    resolved = resolve(ModelConfig(name="isnet", precision="fp32"), on_gpu=False, resizable=True)
    assert (resolved.path, resolved.precision) == (artefact.path("fp32"), "fp32")


def test_int8_is_refused_on_a_gpu() -> None:
    made()
    with pytest.raises(ModelError, match=r"int8 is for the CPU.*write fp16 or auto"):
        resolve(ModelConfig(name="isnet", precision="int8"), on_gpu=True)


def test_int8_that_was_not_made_names_the_command() -> None:
    with pytest.raises(ModelError, match="isnet has no int8 file here: `streamer models optimize"):
        resolve(ModelConfig(name="isnet", precision="int8"), on_gpu=False)


def test_auto_without_one_runs_as_shipped_and_a_quick_model_gets_no_advice(
    make_model, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_model("my net.onnx")
    with caplog.at_level(logging.WARNING, "streamer"):
        segmenter, _ = load_segmenter(ModelConfig(name=str(path)))
        segmenter.warm_up()
        for _ in range(3):
            segmenter.segment(np.zeros((48, 64, 3), np.uint8), np.empty((48, 64), np.uint8))
    assert segmenter.info.sha256 == sha256_of(path)
    assert not caplog.text


def test_on_a_gpu_nothing_is_said_of_it(make_model, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "streamer.models"):
        resolve(ModelConfig(name=str(make_model())), on_gpu=True)
    assert not caplog.text


def test_a_damaged_file_is_never_used(caplog: pytest.LogCaptureFixture, make_model) -> None:
    path = make_model()
    config = ModelConfig(name=str(path))
    shipped = resolve(config, on_gpu=False)
    artefact = made(key_of(shipped.sha256, shipped.contract))
    artefact.path("int8").write_bytes(b"grape")
    assert resolve(config, on_gpu=False).path == path
    assert "is damaged" in caplog.text
    with pytest.raises(ModelCorrupt, match=rf"`streamer models optimize {path} --force`"):
        resolve(config.model_copy(update={"precision": "int8"}), on_gpu=False)


def test_one_with_a_missing_graph_is_not_found() -> None:
    made().path("int8").unlink()
    assert find(KEY) is None


def test_a_new_one_takes_the_place_of_the_old() -> None:
    old = made()
    new = made(content=b"better graph")
    assert find(KEY) == new
    assert not old.folder.exists()


def test_one_that_needs_vnni_is_left_alone_without(monkeypatch: pytest.MonkeyPatch) -> None:
    made()
    monkeypatch.setattr(artefacts, "saturates", lambda: True)
    assert find(KEY) is None
    careful = made(reduced_range=True)
    assert find(KEY) == careful


def test_the_key_is_of_file_contract_recipe_and_onnxruntime(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert key_of("a", ISNET.contract) != key_of("b", ISNET.contract)
    assert key_of("a", ISNET.contract) != key_of("a", lookup("modnet").contract)
    before = key_of("a", ISNET.contract)
    monkeypatch.setattr(artefacts.ort, "__version__", "9.9.0")
    assert key_of("a", ISNET.contract) != before
    before = key_of("a", ISNET.contract)
    monkeypatch.setattr(artefacts, "RECIPE", 1000)
    assert key_of("a", ISNET.contract) != before


def test_work_that_fails_leaves_nothing(cache: Path) -> None:
    def work() -> None:
        with workshop(KEY) as folder:
            (folder / "int8.onnx").write_bytes(b"half")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        work()
    assert find(KEY) is None
    assert not list((cache / "optimized").iterdir())


def test_only_one_works_at_a_time() -> None:
    inside, order = threading.Event(), []

    def second() -> None:
        inside.wait(5)
        with alone(KEY, "isnet"):
            order.append("second")

    other = threading.Thread(target=second)
    other.start()
    with alone(KEY, "isnet"):
        inside.set()
        other.join(0.2)
        order.append("first")
    other.join(5)
    assert order == ["first", "second"]
