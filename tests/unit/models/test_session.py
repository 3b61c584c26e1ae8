"""What onnxruntime is told; whether it then does it, only a GPU can say (tests/contract)."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime as ort
import pytest

from streamer.config import BackendOptions, CudaOptions, ModelConfig, TensorRtOptions
from streamer.errors import ProviderError
from streamer.models.runtime import onnxruntime
from streamer.models.runtime import session as sessions
from streamer.models.runtime.session import open_session, provider_options, uses_cuda_graphs
from streamer.models.store.registry import Contract

SHA256 = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_cuda_is_told_how_to_choose_and_whether_to_record() -> None:
    assert provider_options("cuda", BackendOptions(), SHA256) == {
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "enable_cuda_graph": "0",
    }
    asked = BackendOptions(cuda=CudaOptions(conv_search="heuristic", cuda_graphs=True))
    assert provider_options("cuda", asked, SHA256) == {
        "cudnn_conv_algo_search": "HEURISTIC",
        "enable_cuda_graph": "1",
    }


def test_tensorrts_engines_lie_in_our_cache_for_each_model_and_version(cache) -> None:
    folder = str(cache / "tensorrt" / f"0123456789abcdef-onnxruntime-{ort.__version__}")
    assert provider_options("tensorrt", BackendOptions(), SHA256) == {
        "trt_fp16_enable": "False",
        "trt_cuda_graph_enable": "False",
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": folder,
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": folder,
    }


def test_tensorrt_keeps_nothing_where_that_is_asked() -> None:
    asked = BackendOptions(
        tensorrt=TensorRtOptions(fp16=True, engine_cache=False, cuda_graphs=True)
    )
    assert provider_options("tensorrt", asked, SHA256) == {
        "trt_fp16_enable": "True",
        "trt_cuda_graph_enable": "True",
    }


def test_a_session_is_opened_with_each_providers_own_options(
    make_model, monkeypatch, cache
) -> None:
    opened = []

    class Session:
        def __init__(self, path, options, providers, provider_options):
            opened.append(list(zip(providers, provider_options, strict=True)))

        def get_providers(self):
            return [name for name, _ in opened[-1]]

    monkeypatch.setattr(sessions, "_missing", lambda provider: None)
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(ort, "InferenceSession", Session)
    model = ModelConfig(
        name="m.onnx",
        providers=["tensorrt", "cuda", "cpu"],
        options={"tensorrt": {"cuda_graphs": True}},
    )
    session = open_session(make_model(), model, threads=1, sha256=SHA256)
    ((tensorrt, cuda, cpu),) = opened
    assert tensorrt[0] == "TensorrtExecutionProvider"
    assert tensorrt[1]["trt_cuda_graph_enable"] == "True"
    assert cuda == ("CUDAExecutionProvider", provider_options("cuda", model.options, SHA256))
    assert cpu == ("CPUExecutionProvider", {})
    assert (cache / "tensorrt").is_dir(), "TensorRT makes no folder by itself"
    assert uses_cuda_graphs(session, model)
    assert not uses_cuda_graphs(session, model.model_copy(update={"options": BackendOptions()}))


def test_a_model_that_cannot_be_recorded_names_the_option(make_model, monkeypatch) -> None:
    def refuse(*args, **kwargs):
        raise RuntimeError("This session cannot use the graph capture feature as requested")

    monkeypatch.setattr(sessions, "_missing", lambda provider: None)
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(ort, "InferenceSession", refuse)
    model = ModelConfig(
        name="m.onnx", providers=["cuda", "cpu"], options={"cuda": {"cuda_graphs": True}}
    )
    with pytest.raises(ProviderError, match=r"model\.options\.cuda\.cuda_graphs: .*leave it out"):
        open_session(make_model(), model, threads=1, sha256=SHA256)


class FakeValue:
    """An OrtValue whose device memory is an array of its own."""

    def __init__(self, array: np.ndarray, device: tuple[str, int]) -> None:
        self.device = device
        self.memory = array if device[0] == "cpu" else array.copy()

    @classmethod
    def ortvalue_from_numpy(cls, array: np.ndarray, kind: str = "cpu", number: int = 0):
        return cls(array, (kind, number))

    def update_inplace(self, array: np.ndarray) -> None:
        self.memory[:] = array

    def numpy(self) -> np.ndarray:
        return self.memory.copy()


class FakeGpuSession:
    """Its output is its input, on a device."""

    def __init__(self) -> None:
        self.values: dict[str, FakeValue] = {}
        self.recorded_as: list[str] = []

    def get_inputs(self):
        return [SimpleNamespace(name="input", type="tensor(float)", shape=[1, 3, "h", "w"])]

    def get_outputs(self):
        return [SimpleNamespace(name="output", type="tensor(float)", shape=[1, 3, "h", "w"])]

    def get_providers(self):
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def io_binding(self):
        values: dict[str, FakeValue] = {}
        return SimpleNamespace(
            bind_ortvalue_input=values.__setitem__,
            bind_ortvalue_output=values.__setitem__,
            values=values,
        )

    def run_with_iobinding(self, binding, options):
        self.values = binding.values
        with contextlib.suppress(RuntimeError):  # none was set
            self.recorded_as.append(options.get_run_config_entry("gpu_graph_id"))
        self.values["output"].memory[:] = self.values["input"].memory


@pytest.mark.parametrize("graphs", [False, True])
def test_on_a_gpu_pixels_go_there_and_estimates_come_back(graphs, monkeypatch) -> None:
    session = FakeGpuSession()
    monkeypatch.setattr(onnxruntime, "open_session", lambda *args, **kwargs: session)
    monkeypatch.setattr(ort, "OrtValue", FakeValue)
    model = ModelConfig(name="m.onnx", options={"cuda": {"cuda_graphs": graphs}})
    terms = Contract(None, None, None, (0.5,) * 3, (1.0,) * 3, False)
    runtime = onnxruntime.OnnxRuntime(Path("m.onnx"), terms, model, threads=1, sha256=SHA256)
    for side in (8, 4):
        source, target = (np.zeros((1, 3, side, side), np.float32) for _ in range(2))
        run = runtime.bind(source, target)
        for value in (1, 2):
            source.fill(value)
            run()
            assert (target == value).all()
        assert session.values["input"].device == ("cuda", 0)
        assert session.values["output"].device == (("cuda", 0) if graphs else ("cpu", 0))
    assert session.recorded_as == (["1", "1", "2", "2"] if graphs else []), "one for each size"
    assert not runtime.on_cpu
