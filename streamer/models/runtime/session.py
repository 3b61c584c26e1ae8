"""
onnxruntime sessions: finding the execution providers that load, and opening one on the best.

A named provider is used or refused: if it does not load, that is an error, and the providers that
run are read back from the session.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort

from streamer.config import BackendOptions, ModelConfig, Provider
from streamer.errors import ModelCorrupt, ModelError, ProviderError
from streamer.models.runtime.runtime import in_one_line
from streamer.models.store.cache import cache_folder, make_folder

logger = logging.getLogger("streamer.models")

CPU = "CPUExecutionProvider"
"""onnxruntime's name of the provider that is always there."""

_NAMES: dict[Provider, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": CPU,
}

_AUTO: tuple[Provider, ...] = ("cuda", "directml", "coreml", "cpu")
"""Best first. TensorRT only on request: its first start takes minutes to build an engine."""

_SPEC: dict[Provider, tuple[str, int]] = {
    "cpu": ("cpu", 0),
    "cuda": ("cuda", 0),
    "tensorrt": ("cuda", 0),
}
"""Device type and id of each provider's tensors, as onnxruntime has them; else the CPU's."""


_PROBE = bytes.fromhex(
    "080712003a370a100a017812017922084964656e746974791201705a0f0a0178120a0a0808011204"
    "0a020801620f0a0179120a0a08080112040a02080142040a00100d"
)
"""A model of one Identity node, opset 13, float32 [1] in and out."""

# In case onnxruntime was imported before us, when our ORT_DISABLE_TELEMETRY came too late.
ort.disable_telemetry_events()


def _missing(provider: Provider) -> str | None:
    """Why *provider* cannot load here, or None if no reason is known."""
    if _NAMES[provider] not in ort.get_available_providers():
        return f"this build of onnxruntime {ort.__version__} does not have it"
    if provider in ("cuda", "tensorrt"):
        library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
        try:
            ctypes.CDLL(library)
        except OSError:
            return f"there is no NVIDIA driver here ({library} does not load)"
    return None


@functools.cache
def loadable_providers() -> tuple[Provider, ...]:
    """
    The providers that really load here, each tested by a session of one node; `cpu` is last.

    Tested once in a process: with a GPU this takes about a second.
    """
    return tuple(provider for provider in _NAMES if _missing(provider) is None and _loads(provider))


def automatic_providers() -> list[Provider]:
    """The providers that `providers: auto` may take, best first."""
    return [provider for provider in _AUTO if provider in loadable_providers()]


def _loads(provider: Provider) -> bool:
    try:
        _session(_PROBE, [provider], threads=1)
    except ModelError as error:
        logger.info("%s", error)
        return False
    return True


def provider_options(provider: Provider, options: BackendOptions, sha256: str) -> dict[str, str]:
    """
    The options for *provider*, as onnxruntime names them.

    TensorRT's engines lie in a folder for each model and version of onnxruntime, as they are not
    valid for any other (onnxruntime's page on its TensorRT execution provider).
    """
    if provider == "cuda":
        return {
            "cudnn_conv_algo_search": options.cuda.conv_search.upper(),
            "enable_cuda_graph": str(int(options.cuda.cuda_graphs)),
        }
    if provider == "tensorrt":
        chosen = {
            "trt_fp16_enable": str(options.tensorrt.fp16),
            "trt_cuda_graph_enable": str(options.tensorrt.cuda_graphs),
        }
        if options.tensorrt.engine_cache:
            folder = cache_folder() / "tensorrt" / f"{sha256[:16]}-onnxruntime-{ort.__version__}"
            chosen |= {
                "trt_engine_cache_enable": "True",
                "trt_engine_cache_path": str(folder),
                "trt_timing_cache_enable": "True",
                "trt_timing_cache_path": str(folder),
            }
        return chosen
    return {}


def open_session(
    path: Path, model: ModelConfig, *, threads: int, sha256: str
) -> ort.InferenceSession:
    """
    A session for the model at *path*.

    Args:
        path: an ONNX file.
        model: its `providers` and `options`; `auto` takes the best provider that loads, a list is
            taken as it stands.
        threads: threads within an operator.
        sha256: of the file.

    Raises:
        ProviderError: a named provider does not load, or not with its options.
        ModelCorrupt: the file is not a model.
        ModelFetchError: the folder for TensorRT's engines cannot be written.
    """
    if model.providers == "auto":
        best: Provider = next(iter(automatic_providers()), "cpu")
        wanted: list[Provider] = [best] if best == "cpu" else [best, "cpu"]
    else:
        wanted = list(model.providers)
        for provider in wanted:
            if reason := _missing(provider):
                raise ProviderError(
                    f"model.providers: {provider} does not load: {reason}; "
                    f"here there are: {', '.join(loadable_providers())}"
                )
    options = [provider_options(provider, model.options, sha256) for provider in wanted]
    for chosen in options:
        if "trt_engine_cache_path" in chosen:
            make_folder(Path(chosen["trt_engine_cache_path"]))
    return _session(path, wanted, threads, options)


def _session(
    model: Path | bytes,
    providers: Sequence[Provider],
    threads: int,
    provider_options: Sequence[dict[str, str]] = (),
) -> ort.InferenceSession:
    names = [_NAMES[provider] for provider in providers]
    if any(provider in ("cuda", "tensorrt") for provider in providers):
        ort.preload_dlls()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Errors on a CPU are raised, so they need not be printed too.
    options.log_severity_level = 4 if names[0] == CPU else 3
    # Threads that spin while waiting would take the cores from decoding and encoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # On a CPU the pattern's single block of memory makes the second run slow, takes more than half
    # as much memory again, and saves no time (1024x1024 `isnet`: 2.2 GB with it, 1.4 GB without).
    options.enable_mem_pattern = names[0] != CPU
    try:
        session = ort.InferenceSession(
            model if isinstance(model, bytes) else str(model),
            options,
            providers=names,
            provider_options=list(provider_options) or None,
        )
    except Exception as error:  # onnxruntime's errors have no common base
        reason = in_one_line(error)
        if "graph capture" in reason.lower() or "cuda graph" in reason.lower():
            raise ProviderError(
                f"model.options.{providers[0]}.cuda_graphs: this model cannot be recorded: "
                f"{reason}: leave it out"
            ) from error
        if names[0] != CPU and "Provider" in str(error):
            raise ProviderError(f"{providers[0]} does not load: {reason}") from error
        raise ModelCorrupt(
            f"{model!s:.200}: onnxruntime cannot load this model: {reason}; {_way_out(reason)}"
        ) from error
    absent = [p for p in providers if _NAMES[p] not in session.get_providers()]
    if absent:
        raise ProviderError(
            f"{absent[0]} does not load: onnxruntime left it out and has "
            f"{', '.join(session.get_providers())}; are the matching CUDA and cuDNN installed? "
            "`streamer doctor` tells"
        )
    return session


def _way_out(reason: str) -> str:
    """Advice for a file that onnxruntime refuses to load."""
    if "IR version" in reason or "opset" in reason.lower():
        return "export it for an older version of ONNX, or take a newer onnxruntime"
    if "not a registered function/op" in reason:
        return "export it with ONNX's own operators only"
    return "is it a complete ONNX file? `streamer models pull NAME` fetches a good one"


def uses_cuda_graphs(session: ort.InferenceSession, model: ModelConfig) -> bool:
    """Whether the session's best provider records its runs, which fixes its tensors' addresses."""
    best = session.get_providers()[0]
    return (best == _NAMES["cuda"] and model.options.cuda.cuda_graphs) or (
        best == _NAMES["tensorrt"] and model.options.tensorrt.cuda_graphs
    )


def device_of(session: ort.InferenceSession) -> tuple[str, int]:
    """Onnxruntime's (device type, device id) where this session's tensors should live."""
    best = session.get_providers()[0]
    for provider, spec in _SPEC.items():
        if _NAMES[provider] == best:
            return spec
    return ("cpu", 0)
