"""
OpenVINO behind the `Runtime` contract, on the CPU only, for which it is made.

Its package is optional. It would report its import to its makers over the network, unasked, unless
its companion `openvino_telemetry` is missing; so that is hidden while we import it.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from streamer.config import ModelConfig
from streamer.core.copying import Uncopyable
from streamer.core.cpu import own_signal_stack
from streamer.errors import MissingDependency, ModelCorrupt, ModelError, SegmentError
from streamer.models.runtime.ports import Port, alpha_output, misfit, picture_input, require_floats
from streamer.models.runtime.runtime import Array, Run, Signature, in_one_line
from streamer.models.runtime.turns import User, turns_on
from streamer.models.store.registry import Contract

_TELEMETRY = "openvino_telemetry"


def is_installed() -> bool:
    """Whether the package `openvino` is installed. Does not import it."""
    return importlib.util.find_spec("openvino") is not None


@functools.cache
def load_openvino() -> Any:
    """
    The module `openvino`, imported without its telemetry.

    Raises:
        MissingDependency: it is not installed, or does not load.
    """
    absent = object()
    before = sys.modules.get(_TELEMETRY, absent)
    if "openvino" not in sys.modules:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        import openvino
        import openvino.frontend
    except ImportError as error:
        raise MissingDependency(
            f'model.backend: openvino does not load ({error}): pip install "streamer[openvino]"'
        ) from error
    finally:
        if before is absent:
            sys.modules.pop(_TELEMETRY, None)
        else:
            sys.modules[_TELEMETRY] = before  # type: ignore[assignment]
    return openvino


class OpenVinoRuntime(Uncopyable):
    """
    A graph that OpenVINO compiles for this CPU, once for each size that is bound.

    Args:
        path: an ONNX file.
        contract: names the input and the output.
        model: sets the precision of what the file leaves in floats.
        threads: threads of an inference.

    Raises:
        MissingDependency: OpenVINO is not installed.
        ModelCorrupt: the file is not a model.
        ModelError: it has no such input or output, they are not of floats, or bf16 was asked for
            and this CPU lacks it.
    """

    def __init__(
        self,
        path: Path,
        contract: Contract,
        model: ModelConfig,
        *,
        threads: int,
    ) -> None:
        ov = self._ov = load_openvino()
        graph = _read(ov, path)
        inputs = [_port(port) for port in graph.inputs]
        outputs = [_port(port) for port in graph.outputs]
        source = picture_input(inputs, contract.input, path)
        target = alpha_output(outputs, contract.output, path)
        # Outputs that are not wanted are not computed.
        result = graph.outputs[target].get_node()
        self._graph = ov.Model([result], graph.get_parameters(), path.name)
        self._source = source
        self._outputs, self._target = outputs, target
        taken, given = self._graph.inputs[source], self._graph.outputs[0]
        dtypes: dict[Any, np.dtype[Any]] = {
            ov.Type.f32: np.dtype(np.float32),
            ov.Type.f16: np.dtype(np.float16),
        }
        kinds = taken.get_element_type(), given.get_element_type()
        floats = [kind.get_type_name() for kind in dtypes]
        require_floats(inputs[source], outputs[target], floats, path)
        shape, estimate = inputs[source].shape, outputs[target].shape
        if not shape or not estimate:
            raise ModelError(f"{path}: OpenVINO cannot tell the shape of its tensors")
        self._signature = Signature(
            tuple(side if isinstance(side, int) else None for side in shape),
            dtypes[kinds[0]],
            dtypes[kinds[1]],
            max(len(estimate), 2),
        )
        self._core = ov.Core()
        with own_signal_stack():
            self._properties = _properties(self._core, model, threads)
        self._computes: Any = None
        self._compiled: dict[tuple[tuple[int, ...], tuple[int, ...]], Any] = {}
        self._compiling = threading.Lock()
        self._turns = turns_on("cpu", 0)

    @property
    def signature(self) -> Signature:
        """The graph's input and output."""
        return self._signature

    @property
    def providers(self) -> tuple[str, ...]:
        """`OpenVINO CPU`, with `bf16` if it computes so; known once a size is bound."""
        return ("OpenVINO CPU bf16" if self._computes == self._ov.Type.bf16 else "OpenVINO CPU",)

    @property
    def on_cpu(self) -> bool:
        """Always."""
        return True

    def turn(self, user: User) -> AbstractContextManager[None]:
        """See `Runtime.turn`."""
        return self._turns.turn(user)

    def bind(self, source: Array, target: Array) -> Run:
        """
        Compile for this size, and make a request that reads and writes our arrays directly.

        One compilation for all sizes was measured to cost 5 to 13 % more CPU time an inference. So
        each size has its own copy of the weights, shared by all who bind that size.
        """
        shapes = source.shape, target.shape
        with self._compiling:
            if (compiled := self._compiled.get(shapes)) is None:
                compiled = self._compiled[shapes] = self._compile(*shapes)
        self._computes = compiled.get_property("INFERENCE_PRECISION_HINT")
        request = compiled.create_infer_request()
        # `run` keeps arrays and tensors alive: neither the tensors nor the request do.
        given = self._ov.Tensor(source, shared_memory=True)
        wanted = self._ov.Tensor(target, shared_memory=True)
        request.set_input_tensor(self._source, given)
        request.set_output_tensor(0, wanted)

        def run(
            request: Any = request, kept: object = (self, source, target, given, wanted)
        ) -> None:
            try:
                request.infer(share_outputs=True)
            except Exception as error:  # OpenVINO's errors have no common base
                raise SegmentError(_reason(error)) from error

        return run

    def _compile(self, given: tuple[int, ...], wanted: tuple[int, ...]) -> Any:
        graph, shapes = self._graph, self._ov.PartialShape
        try:
            graph.reshape({self._source: shapes(list(given))})
        except Exception as error:  # OpenVINO's errors have no common base
            raise ModelError(_reason(error)) from error
        # Unchecked, OpenVINO would write a smaller output into a part of our array.
        gives = _sides(graph.outputs[0].get_partial_shape())
        if reason := misfit(self._outputs, self._target, gives, wanted):
            raise ModelError(reason)
        try:
            with own_signal_stack():
                return self._core.compile_model(graph, "CPU", self._properties)
        except Exception as error:
            raise ModelError(
                f"OpenVINO cannot compile it: {_reason(error)}; `backend: onnxruntime` may take it"
            ) from error


def _port(port: Any) -> Port:
    return Port(
        port.any_name, port.get_element_type().get_type_name(), _sides(port.get_partial_shape())
    )


def _sides(shape: Any) -> tuple[int | None, ...]:
    """The sides of an OpenVINO PartialShape; empty if their number is not declared."""
    if shape.rank.is_dynamic:
        return ()
    return tuple(side.get_length() if side.is_static else None for side in shape)


def _read(ov: Any, path: Path) -> Any:
    # By name: without it, OpenVINO tries its other front ends too, and each prints its complaint.
    front_end = ov.frontend.FrontEndManager().load_by_framework("onnx")
    try:
        return front_end.convert(front_end.load(str(path)))
    except Exception as error:
        raise ModelCorrupt(
            f"{path}: OpenVINO cannot load this model: {_reason(error)}; "
            "is it a complete ONNX file? `backend: onnxruntime` may take it"
        ) from error


def _properties(core: Any, model: ModelConfig, threads: int) -> dict[str, str]:
    """Options for compiling. Raises ModelError for bf16 on a CPU that lacks it."""
    has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    wanted = model.options.openvino.precision
    if wanted == "bf16" and not has_bf16:
        raise ModelError(
            "model.options.openvino.precision: bf16 is not possible: this CPU has none: "
            "write fp32 or auto"
        )
    if wanted == "auto":
        wanted = "bf16" if has_bf16 and model.precision != "fp32" else "fp32"
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
        "INFERENCE_PRECISION_HINT": "bf16" if wanted == "bf16" else "f32",
        # Threads pinned to cores would wait there for decoders and encoders.
        "ENABLE_CPU_PINNING": "NO",
    }


def _reason(error: BaseException) -> str:
    """The last meaningful line of OpenVINO's message: the first ones only tell where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (said or lines or [in_one_line(error)])[-1]
