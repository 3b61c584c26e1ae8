"""Options of what runs a model, in words; each applies where that runs. Validation only."""

from __future__ import annotations

from typing import Literal

from streamer.config.data import Data


class CudaOptions(Data):
    """How onnxruntime uses CUDA."""

    conv_search: Literal["exhaustive", "heuristic", "default"] = "exhaustive"
    """How the convolutions' algorithms are chosen at the start: by trying all, which takes seconds
    for each size; by an estimate; or not at all."""
    cuda_graphs: bool = False
    """Record the run once and replay it: less work for the CPU, for graphs that run on the GPU
    wholly; others are refused."""


class TensorRtOptions(Data):
    """How onnxruntime uses TensorRT, which builds an engine for minutes at its first start."""

    fp16: bool = False
    """Compute in half precision: faster, and for some models wrong. `streamer eval` tells."""
    engine_cache: bool = True
    """Keep the engines, and what was timed while building them, in our cache folder."""
    cuda_graphs: bool = False
    """Record the run once and replay it."""


class OpenVinoOptions(Data):
    """How OpenVINO computes."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of what the file leaves in floats. `auto`: bf16 where the CPU has it and the file was not
    asked for as fp32. bf16 elsewhere is an error."""


class BackendOptions(Data):
    """By the name of what they are for."""

    cuda: CudaOptions = CudaOptions()
    tensorrt: TensorRtOptions = TensorRtOptions()
    openvino: OpenVinoOptions = OpenVinoOptions()
