"""From a model's file to a proven artefact: once, by one process, or not at all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streamer.config import ContractConfig, ModelConfig
from streamer.errors import MissingDependency, ModelError
from streamer.segmentation import optimize as optimizing
from streamer.segmentation.artefacts import Artefact
from streamer.segmentation.calibration import Pictures
from streamer.segmentation.optimize import optimize
from streamer.segmentation.weights import resolve

CONFIG = ContractConfig(output="output")


def pictures(seed: int = 0) -> Pictures:
    random = np.random.default_rng(seed)
    made = [random.integers(0, 255, (48, 80, 3), np.uint8) for _ in range(6)]
    return Pictures(made[:4], made[4:], "noise")


class Steps:
    """Remembers which steps were told of, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.last: dict[str, tuple[int, int]] = {}

    def __call__(self, step: str, done: int, total: int, /) -> None:
        if step not in self.told:
            self.told.append(step)
        self.last[step] = (done, total)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; networks this small may be slower in int8."""
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(optimizing, "LEAST_SPEED_UP", 0)
    return tmp_path / "cache"


def run(path: Path, seed: int = 0, **options: object) -> tuple[Artefact, Steps]:
    steps = Steps()
    model = ModelConfig(name=str(path), contract=CONFIG, threads=1)
    return optimize(model, pictures(seed), steps=steps, **options), steps


def left(cache: Path) -> list[str]:
    return [folder.name for folder in (cache / "optimized").iterdir()]


def test_an_artefact_has_two_graphs_and_the_proof_of_them(make_network) -> None:
    artefact, steps = run(make_network())
    proof = json.loads((artefact.folder / "proof.json").read_text())
    assert steps.told == ["folding", "calibrating", "quantising", "proving"]
    assert all(done == total for done, total in steps.last.values())
    assert [entry["size"] for entry in proof["comparisons"]] == [[64, 64], [32, 32]]
    assert all(entry["mad"] < 0.01 and entry["iou"] > 0.9 for entry in proof["comparisons"])
    assert proof["comparisons"][0]["shipped_speed_up"] > 0
    assert proof["size_multiple"] == 4
    assert set(proof["settings"]["versions"]) == {"onnx", "numpy", "opencv", "onnxruntime"}
    for kind in ("fp32", "int8"):
        assert artefact.verified(kind).is_file()


def test_a_run_takes_what_was_made(make_network) -> None:
    path = make_network()
    artefact, _ = run(path)
    resolved = resolve(ModelConfig(name=str(path), contract=CONFIG), on_gpu=False)
    assert resolved.path == artefact.path("int8")


def test_the_same_again_takes_what_is_there_unless_forced(make_network) -> None:
    path = make_network()
    first, _ = run(path)
    again, steps = run(path)
    assert again == first
    assert not steps.told
    forced, steps = run(path, force=True)
    assert steps.told
    assert forced.folder != first.folder


def test_other_pictures_make_another(make_network, cache: Path) -> None:
    path = make_network()
    first, _ = run(path)
    second, steps = run(path, seed=1)
    assert steps.told
    assert left(cache) == [second.folder.name]
    assert first.folder != second.folder


def test_over_the_limit_it_is_refused_and_nothing_is_kept(make_network, cache: Path) -> None:
    path = make_network()
    with pytest.raises(ModelError, match=r"int8 differs from float by .* than --limit 1e-06"):
        run(path, limit=1e-6)
    assert not left(cache)
    assert resolve(ModelConfig(name=str(path), contract=CONFIG), on_gpu=False).path == path


def test_what_is_no_faster_is_refused(
    make_network, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimizing, "LEAST_SPEED_UP", 1000)
    with pytest.raises(ModelError, match="no faster than float on this machine"):
        run(make_network())
    assert not left(cache)


def test_a_graph_that_keeps_its_size_is_quantised_as_it_is(make_network) -> None:
    artefact, _ = run(make_network(reshape=True))
    assert artefact.size_multiple is None
    assert [entry["size"] for entry in artefact.proof["comparisons"]] == [[64, 64]]
    assert artefact.proof["size_kept_because"].startswith("Reshape ")


def test_half_precision_and_old_opsets_are_optimised_too(make_network) -> None:
    for path in (make_network("half.onnx", half=True), make_network("old.onnx", opset=11)):
        artefact, _ = run(path)
        assert artefact.proof["comparisons"][0]["mad"] < 0.01


def test_without_the_extra_the_command_to_install_it_is_told(
    make_network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r'pip install "streamer\[optimize\]"'):
        run(make_network())


WORKER = """
import os, signal, sys
import numpy as np
from streamer.config import ContractConfig, ModelConfig
from streamer.segmentation import optimize as optimizing
from streamer.segmentation.calibration import Pictures
optimizing.LEAST_SPEED_UP = 0
told = []
def steps(step, done, total):
    if not told and sys.argv[2] == "wait":
        print("working", flush=True)
        sys.stdin.readline()
    told.append(step)
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
random = np.random.default_rng(0)
made = [random.integers(0, 255, (48, 80, 3), np.uint8) for _ in range(6)]
model = ModelConfig(name=sys.argv[1], contract=ContractConfig(output="output"), threads=1)
artefact = optimizing.optimize(model, Pictures(made[:4], made[4:], "noise"), steps=steps)
print("made" if told else "taken", artefact.folder.name, flush=True)
"""


def worker(path: Path, mode: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("step", ["calibrating", "proving"])
def test_a_process_killed_in_the_middle_leaves_nothing_that_is_used(
    make_network, cache: Path, step: str
) -> None:
    path = make_network()
    with worker(path, step) as killed:
        assert killed.wait(60) == -signal.SIGKILL
    assert len(left(cache)) == 1
    assert resolve(ModelConfig(name=str(path), contract=CONFIG), on_gpu=False).path == path
    artefact, _ = run(path)
    assert left(cache) == [artefact.folder.name]


def test_of_two_processes_one_works_and_the_other_takes_what_it_made(
    make_network, cache: Path
) -> None:
    path = make_network()
    with worker(path, "wait") as first:
        assert first.stdout is not None
        assert first.stdin is not None
        assert first.stdout.readline() == "working\n"
        with worker(path, "") as second:
            first.stdin.write("go\n")
            first.stdin.flush()
            results = [first.communicate(timeout=60)[0], second.communicate(timeout=60)[0]]
    assert [result.split()[0] for result in results] == ["made", "taken"]
    assert results[0].split()[1] == results[1].split()[1]
    assert len(left(cache)) == 1
