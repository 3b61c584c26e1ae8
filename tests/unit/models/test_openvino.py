"""OpenVINO: when it runs, how it computes, and what it must not do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from pydantic import ValidationError

from streamer.config import ModelConfig
from streamer.errors import MissingDependency, ModelCorrupt, ModelError
from streamer.models.runtime import openvino, segmenter
from streamer.models.runtime.segmenter import OnnxSegmenter
from streamer.models.store.registry import Contract
from tests.conftest import MakeModel

CONTRACT = Contract(None, None, None, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), False)

pytestmark = pytest.mark.skipif(
    not openvino.is_installed(), reason='pip install "streamer[openvino]"'
)


def segmenter_for(path: Path, *, precision: str | None = None, **asked: object) -> OnnxSegmenter:
    config = ModelConfig(name=str(path), **asked)
    return OnnxSegmenter(path, CONTRACT, config, name="m", sha256="0" * 64, precision=precision)


def alpha_of(one: OnnxSegmenter, image: np.ndarray) -> np.ndarray:
    out = np.empty(image.shape[:2], np.uint8)
    one.segment(image, out)
    return out.astype(int)


@pytest.fixture
def int8(tmp_path) -> Path:
    """A quantised graph: one convolution between QuantizeLinear and DequantizeLinear."""
    weights = np.array([60, -30, 45], np.int8).reshape(1, 3, 1, 1)
    nodes = [
        helper.make_node("QuantizeLinear", ["input", "in_scale", "in_zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "in_scale", "in_zero"], ["x"]),
        helper.make_node("DequantizeLinear", ["weights", "w_scale", "w_zero"], ["w"], axis=0),
        helper.make_node("Conv", ["x", "w"], ["raw"]),
        helper.make_node("Sigmoid", ["raw"], ["output"]),
    ]
    shape = ["height", "width"]
    graph = helper.make_graph(
        nodes,
        "quantised",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, *shape])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, *shape])],
        [
            onnx.numpy_helper.from_array(np.array(1 / 255, np.float32), "in_scale"),
            onnx.numpy_helper.from_array(np.array(128, np.uint8), "in_zero"),
            onnx.numpy_helper.from_array(weights, "weights"),
            onnx.numpy_helper.from_array(np.array([1 / 15], np.float32), "w_scale"),
            onnx.numpy_helper.from_array(np.array([0], np.int8), "w_zero"),
        ],
    )
    path = tmp_path / "int8.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def runs_on(one: OnnxSegmenter) -> str:
    return one.info.providers[0].split()[0]


def test_an_int8_file_has_the_same_alpha_on_both_backends(int8, photographs) -> None:
    image = photographs["coffee"]
    alphas = [
        alpha_of(segmenter_for(int8, input_size=64, precision="int8", backend=backend), image)
        for backend in ("onnxruntime", "openvino")
    ]
    assert np.abs(alphas[0] - alphas[1]).mean() < 1
    assert alphas[0].std() > 10, "a flat alpha would prove nothing"


def test_auto_takes_it_for_an_int8_file_on_a_cpu(int8, monkeypatch) -> None:
    monkeypatch.setattr(segmenter, "automatic_providers", lambda: ["cpu"])
    assert runs_on(segmenter_for(int8, input_size=64, precision="int8")) == "OpenVINO"


def test_auto_leaves_it_for_other_files_and_where_it_is_not_installed(
    int8, make_model, monkeypatch
) -> None:
    cpu = "CPUExecutionProvider"
    assert runs_on(segmenter_for(make_model(), precision="fp32", providers=["cpu"])) == cpu
    monkeypatch.setattr(openvino, "is_installed", lambda: False)
    one = segmenter_for(int8, input_size=64, precision="int8", providers=["cpu"])
    assert runs_on(one) == cpu


def test_auto_takes_onnxruntime_where_it_is_installed_and_broken(int8, monkeypatch, caplog) -> None:
    def broken() -> None:
        raise MissingDependency("model.backend: openvino does not load")

    monkeypatch.setattr(openvino, "load_openvino", broken)
    one = segmenter_for(int8, input_size=64, precision="int8", providers=["cpu"])
    assert runs_on(one) == "CPUExecutionProvider"
    assert "onnxruntime runs the model" in caplog.text


def test_asked_for_and_not_installed_it_says_what_to_install(make_model, monkeypatch) -> None:
    openvino.load_openvino.cache_clear()
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependency, match=r'pip install "streamer\[openvino\]"'):
        segmenter_for(make_model(), backend="openvino")


def test_on_a_gpu_it_is_refused() -> None:
    with pytest.raises(ValidationError, match="openvino runs on the CPU"):
        ModelConfig(backend="openvino", providers=["cuda", "cpu"])


def test_of_several_outputs_only_the_one_that_is_named_is_taken(make_model, photographs) -> None:
    image = photographs["coffee"]
    one = segmenter_for(make_model(name="one.onnx"), backend="openvino")
    twelve = segmenter_for(make_model(name="twelve.onnx", outputs=12), backend="openvino")
    assert (alpha_of(one, image) == alpha_of(twelve, image)).all()


def test_threads_are_as_asked(make_model) -> None:
    runtime = openvino.OpenVinoRuntime(make_model(), CONTRACT, ModelConfig(), threads=1)
    source, target = np.zeros((1, 3, 64, 64), np.float32), np.zeros((1, 1, 64, 64), np.float32)
    compiled = runtime._compile(source.shape, target.shape)
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("ENABLE_CPU_PINNING") is False


class FakeCore:
    def __init__(self, *capabilities: str) -> None:
        self._capabilities = list(capabilities)

    def get_property(self, device: str, name: str) -> list[str]:
        assert (device, name) == ("CPU", "OPTIMIZATION_CAPABILITIES")
        return self._capabilities


@pytest.mark.parametrize(
    ("asked", "has_bf16", "computes"),
    [
        ({}, True, "bf16"),
        ({}, False, "f32"),
        ({"precision": "fp32"}, True, "f32"),
        ({"options": {"openvino": {"precision": "fp32"}}}, True, "f32"),
        ({"precision": "fp32", "options": {"openvino": {"precision": "bf16"}}}, True, "bf16"),
    ],
)
def test_it_computes_in_bf16_where_there_is_and_fp32_was_not_asked(asked, has_bf16, computes):
    core = FakeCore("FP32", *(["BF16"] if has_bf16 else []))
    told = openvino._properties(core, ModelConfig(**asked), 2)
    assert told["INFERENCE_PRECISION_HINT"] == computes


def test_bf16_on_a_cpu_without_is_refused() -> None:
    model = ModelConfig(options={"openvino": {"precision": "bf16"}})
    with pytest.raises(ModelError, match=r"options\.openvino\.precision: bf16 is not possible"):
        openvino._properties(FakeCore("FP32"), model, 2)


def test_a_damaged_file_is_named_and_nothing_else_is_printed(tmp_path, capfd) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model" * 100)
    with pytest.raises(ModelCorrupt, match=r"broken\.onnx: OpenVINO cannot load this model: Model"):
        segmenter_for(path, backend="openvino")
    assert capfd.readouterr() == ("", "")


def test_an_output_that_does_not_exist_is_named(make_model) -> None:
    terms = Contract(None, "mask", None, (0.5,) * 3, (1.0,) * 3, False)
    with pytest.raises(ModelError, match="no output called 'mask'; it has: output"):
        openvino.OpenVinoRuntime(make_model(), terms, ModelConfig(), threads=1)


TELL_TALE = """
import sys
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
        print("network:", event, args)
sys.addaudithook(watch)
from pathlib import Path
from streamer.config import ModelConfig
from streamer.models import load_segmenter
segmenter, _ = load_segmenter(ModelConfig(name=sys.argv[1], backend="openvino"))
segmenter.warm_up()
print(segmenter.info.providers[0][:8])
print(*(name for name in sys.modules if name.startswith("openvino_telemetry")))
"""


def test_it_reports_to_nobody_and_leaves_nothing_behind(make_model, tmp_path, monkeypatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("CI", raising=False)
    ran = subprocess.run(
        [sys.executable, "-c", TELL_TALE, str(make_model())],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stdout.split() == ["OpenVINO"], ran.stdout
    assert not list(home.iterdir())


INTERRUPTED = """
import gc, os, signal, sys, threading
from pathlib import Path
import numpy as np
from streamer.config import ModelConfig
from streamer.models.store.registry import Contract
from streamer.models.runtime.segmenter import OnnxSegmenter

path = Path(sys.argv[1])
contract = Contract(None, None, None, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), False)
config = ModelConfig(name=str(path), backend="openvino")
made = [OnnxSegmenter(path, contract, config, name="m", sha256="0" * 64, precision=None)]
made[0].segment(np.zeros((64, 64, 3), np.uint8), np.empty((64, 64), np.uint8))

def close():
    made.pop().close()
    gc.collect()

closing = threading.Thread(target=close)
closing.start()
closing.join()
# Whatever was freed is gone for good.
blocks = [np.ones(1 << 20) for _ in range(32)]
del blocks
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the fault was Linux's")
def test_the_program_can_be_interrupted_after_another_thread_has_closed_the_model(
    make_model: MakeModel,
) -> None:
    """It leaves a stack for signals with the thread that compiles, and frees it in the other."""
    path = make_model("one.onnx", size=64)
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
