"""Options for each backend that runs a model, used only where it runs. Validation only."""

from __future__ import annotations

from typing import Literal

from streamer.config.data import Data


class CudaOptions(Data):
    """How onnxruntime uses CUDA."""

    conv_search: Literal["exhaustive", "heuristic", "default"] = "exhaustive"
    """How algorithms for convolutions are chosen at the start. `exhaustive` tries all, which takes
    seconds for each size; `heuristic` estimates; `default` does not choose."""
    cuda_graphs: bool = False
    """Record the run once and replay it, which saves CPU work. Only for graphs that run wholly on
    the GPU; others are refused."""


class TensorRtOptions(Data):
    """How onnxruntime uses TensorRT, which takes minutes to build an engine at its first start."""

    fp16: bool = False
    """Compute in half precision: faster, but wrong for some models; check with `streamer eval`."""
    engine_cache: bool = True
    """Keep the engines, and the timings from building them, in streamer's cache folder."""
    cuda_graphs: bool = False
    """Record the run once and replay it."""


class OpenVinoOptions(Data):
    """How OpenVINO computes."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Precision of what the file leaves in floats. `auto`: bf16 where the CPU has it, unless
    `model.precision` is fp32. `bf16` on a CPU without it is an error."""


class BackendOptions(Data):
    """Options for CUDA, TensorRT and OpenVINO, each under its name."""

    cuda: CudaOptions = CudaOptions()
    tensorrt: TensorRtOptions = TensorRtOptions()
    openvino: OpenVinoOptions = OpenVinoOptions()
