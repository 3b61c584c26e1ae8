"""From a model's file to a proven artefact: once, by one process, or not at all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from streamer.config import ContractConfig, ModelConfig
from streamer.errors import MissingDependency, ModelError
from streamer.models import OnnxSegmenter, load_segmenter
from streamer.models.optimizing import optimize as optimizing
from streamer.models.optimizing.calibration import Pictures
from streamer.models.optimizing.optimize import optimize
from streamer.models.runtime.openvino import is_installed
from streamer.models.store import artefacts
from streamer.models.store.artefacts import Artefact
from streamer.models.store.registry import Contract
from streamer.models.store.weights import resolve

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
    return [folder.name for folder in (cache / "optimized").iterdir() if folder.is_dir()]


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


def loaded(path: Path, **asked: object) -> OnnxSegmenter:
    config = ModelConfig.model_validate({"name": str(path), "contract": CONFIG, **asked})
    segmenter, _ = load_segmenter(config)
    segmenter.warm_up()
    assert isinstance(segmenter, OnnxSegmenter)
    return segmenter


@pytest.mark.parametrize("backend", ["auto", "onnxruntime", "openvino"])
@pytest.mark.parametrize(("size", "width"), [(64, None), (64, 128), (96, 32)])
def test_a_local_file_keeps_its_size_once_it_is_optimised(
    make_network, size: int, width: int | None, backend: str
) -> None:
    if backend == "openvino" and not is_installed():
        pytest.skip('pip install "streamer[openvino]"')
    path = make_network(size=size, width=width)
    run(path)
    for precision in ("auto", "int8", "fp32"):
        segmenter = loaded(path, backend=backend, precision=precision)
        assert segmenter.info.input_size == (size, width or size)
        assert segmenter.info.precision == ("fp32" if precision == "fp32" else "int8")
        out = np.zeros((48, 80), np.uint8)
        segmenter.segment(pictures().proof[0], out)
        assert out.any()


def test_a_local_file_that_is_tracked_keeps_its_size_once_it_is_optimised(make_network) -> None:
    path = make_network(size=96)
    run(path)
    model = ModelConfig(name=str(path), contract=CONFIG)
    for precision in ("int8", "fp32"):
        wanted = model.model_copy(update={"precision": precision})
        segmenter, _ = load_segmenter(wanted, ladder=(96, 64, 32))
        assert segmenter.sizes == ((32, 32), (64, 64), (96, 96))
        assert segmenter.info.precision == precision


def test_the_size_that_is_asked_for_goes_before_that_of_the_optimised_file(make_network) -> None:
    path = make_network(size=64)
    run(path)
    assert loaded(path, input_size=96).info.input_size == (96, 96)


def test_a_file_of_any_size_runs_at_the_one_that_it_was_optimised_at(make_model) -> None:
    path = make_model(size="side")
    steps = Steps()
    model = ModelConfig(name=str(path), contract=CONFIG, threads=1, input_size=96)
    optimize(model, pictures(), steps=steps)
    assert loaded(path).info.input_size == (96, 96)


def test_an_optimised_file_that_keeps_its_size_is_used_at_that(make_network) -> None:
    path = make_network(size=64, width=96, reshape=True)
    run(path)
    assert loaded(path).info.input_size == (64, 96)


def test_a_file_that_was_moved_is_still_the_one_that_was_optimised(make_network) -> None:
    path = make_network()
    artefact, _ = run(path)
    moved = path.rename(path.with_name("moved.onnx"))
    assert loaded(moved).info.sha256 == artefact.sha256("int8")


def beside(path: Path, to: Path, scale: float = 1.0) -> Path:
    """The model at *path* with its weights, times *scale*, in a file beside it."""
    model = onnx.load(str(path))
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.ndim == 4:
            values = values * np.float32(scale)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    to.with_name(f"{to.name}.data").unlink(missing_ok=True)
    onnx.save_model(
        model, str(to), save_as_external_data=True, location=f"{to.name}.data", size_threshold=200
    )
    return to


def test_other_weights_beside_the_graph_are_another_model(make_network, tmp_path) -> None:
    path = beside(make_network(), tmp_path / "m.onnx")
    graph = path.read_bytes()
    artefact, _ = run(path)
    assert loaded(path).info.sha256 == artefact.sha256("int8")
    shipped = loaded(path, precision="fp32").info.sha256

    beside(make_network(), path, scale=1.5)
    assert path.read_bytes() == graph, "only the weights differ"
    after = loaded(path)
    assert after.info.precision == "fp32"
    assert after.info.sha256 not in (shipped, artefact.sha256("int8"))
    with pytest.raises(ModelError, match="has no int8 file here"):
        loaded(path, precision="int8")

    again, steps = run(path)
    assert steps.told, "it is made anew"
    assert again.proof["model"]["sha256"] == after.info.sha256
    assert again.sha256("int8") != artefact.sha256("int8")


def test_a_file_that_gives_no_alpha_is_refused_before_it_is_optimised(
    make_network, cache: Path
) -> None:
    model = ModelConfig(name=str(make_network()), contract=ContractConfig(output="side"))
    with pytest.raises(ModelError, match=r"its output side is \[1, 3, 64, 64\]"):
        optimize(model, pictures(), steps=Steps())
    assert not left(cache)


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


def test_without_the_package_the_command_to_install_it_is_told(
    make_network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="pip install onnx"):
        run(make_network())


WORKER = """
import os, signal, sys
import numpy as np
from streamer.config import ContractConfig, ModelConfig
from streamer.models.optimizing import optimize as optimizing
from streamer.models.optimizing.calibration import Pictures
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


def lacking(path: Path, **asked: object) -> bool:
    model = {"name": str(path), "contract": CONFIG, "threads": 1} | asked
    return optimizing.lacks_fast_file(ModelConfig.model_validate(model))


@pytest.fixture
def _any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks of tests are small."""
    monkeypatch.setattr(optimizing, "_SMALL_BYTES", 0)


@pytest.mark.usefixtures("_any_size")
def test_a_large_model_lacks_a_fast_file_until_it_is_made(make_network) -> None:
    path = make_network()
    assert lacking(path)
    run(path)
    assert not lacking(path)


@pytest.mark.usefixtures("_any_size")
@pytest.mark.parametrize("asked", [{"precision": "fp32"}, {"providers": ["cuda"]}])
def test_what_a_run_would_not_take_is_not_lacking(make_network, asked) -> None:
    assert not lacking(make_network(), **asked)


def test_a_small_model_is_fast_as_it_is(make_network) -> None:
    assert not lacking(make_network())


@pytest.mark.usefixtures("_any_size")
def test_what_could_not_be_made_is_told_at_each_start_and_tried_when_asked(
    make_network, monkeypatch, caplog
) -> None:
    path = make_network()
    monkeypatch.setattr(optimizing, "LEAST_SPEED_UP", 1e9)
    with pytest.raises(ModelError, match="no faster"):
        run(path)
    assert not lacking(path)
    assert "no faster" in caplog.text
    assert f"streamer models optimize {path}" in caplog.text
    monkeypatch.setattr(optimizing, "LEAST_SPEED_UP", 0)
    run(path)
    assert loaded(path).info.precision == "int8"
    assert not artefacts.refusal(artefacts.key_of(*identity(path)))


def identity(path: Path) -> tuple[str, Contract]:
    original = resolve(ModelConfig(name=str(path), contract=CONFIG), on_gpu=False, shipped=True)
    return original.sha256, original.contract


def test_who_has_the_fast_file_needs_neither_the_other_nor_a_network(monkeypatch) -> None:
    """The shipped file may have been removed from the cache since."""
    monkeypatch.setattr(optimizing, "artefact_of", lambda entry: entry.name == "rmbg-1.4" or None)

    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("it was asked for")

    monkeypatch.setattr(optimizing, "resolve", no_network)
    assert not optimizing.lacks_fast_file(ModelConfig(name="auto"))
    assert not optimizing.lacks_fast_file(ModelConfig(name="rmbg-1.4"))
