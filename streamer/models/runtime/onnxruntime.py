"""onnxruntime behind the `Runtime` contract: CPU, CUDA, TensorRT and others."""

from __future__ import annotations

import itertools
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from streamer.config import ModelConfig
from streamer.core.copying import Uncopyable
from streamer.errors import ModelError, SegmentError
from streamer.models.runtime.lending import lent
from streamer.models.runtime.ports import (
    Port,
    Sides,
    alpha_output,
    misfit,
    picture_input,
    require_floats,
)
from streamer.models.runtime.recurrence import RecurrentRun
from streamer.models.runtime.runtime import Array, Run, Signature, in_one_line
from streamer.models.runtime.session import device_of, open_session, uses_cuda_graphs
from streamer.models.runtime.turns import ANYBODY, User, turns_on
from streamer.models.store.registry import Contract, Recurrence

_DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
}
_RANK = 4
"""Assumed dimensions of an output that does not declare how many it has."""


def lent_session(
    path: Path, contract: Contract, model: ModelConfig, *, threads: int, sha256: str
) -> OnnxRuntime:
    """An `OnnxRuntime`, shared with everyone who wants the same one; see `lent`."""
    load = partial(OnnxRuntime, path, contract, model, threads=threads, sha256=sha256)
    return lent(load, "onnxruntime", path, contract, model, threads=threads, sha256=sha256)


class OnnxRuntime(Uncopyable):
    """
    A graph in one session of onnxruntime, however many sizes are bound.

    Args:
        path: the model's file.
        contract: names the input and the output.
        model: providers and their options.
        threads: within an operator.
        sha256: of the file; part of the name of its TensorRT engines' folder.

    Raises:
        ModelError: the file has no such input or output, or they are not of floats.
        ModelCorrupt, ProviderError: see `open_session`.

    Any thread may bind, and run in its turn. The runs of all sessions on one device take turns: not
    every provider can run two at once, and those who share a session then need memory for only one
    run.
    """

    def __init__(
        self, path: Path, contract: Contract, model: ModelConfig, *, threads: int, sha256: str
    ) -> None:
        session = open_session(path, model, threads=threads, sha256=sha256)
        inputs, outputs = (
            [Port(node.name, node.type, _sides(node.shape)) for node in nodes]
            for nodes in (session.get_inputs(), session.get_outputs())
        )
        alone = contract.recurrence is None
        source = inputs[picture_input(inputs, contract.input, path, alone=alone)]
        self._outputs, self._target = outputs, alpha_output(outputs, contract.output, path)
        target = outputs[self._target]
        require_floats(source, target, tuple(_DTYPES), path)
        self._session = session
        self._path = path
        self._names = source.name, target.name
        self._device = device_of(session)
        self._turns = turns_on(*self._device)
        self._graph_ids = itertools.count(1) if uses_cuda_graphs(session, model) else None
        self._signature = Signature(
            tuple(side if isinstance(side, int) else None for side in source.shape),
            _DTYPES[source.kind],
            _DTYPES[target.kind],
            max(len(target.shape), 2) if target.shape else _RANK,
        )

    @property
    def signature(self) -> Signature:
        """The graph's input and output."""
        return self._signature

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers in use."""
        return tuple(self._session.get_providers())

    @property
    def on_cpu(self) -> bool:
        """Whether the session's tensors are those of the CPU."""
        return self._device[0] == "cpu"

    def turn(self, user: User) -> AbstractContextManager[None]:
        """See `Runtime.turn`."""
        return self._turns.turn(user)

    def bind(self, source: Array, target: Array) -> Run:
        """
        Bind the input on the model's device and the output where we read it.

        On a CPU both are our arrays, without a copy. On a GPU the input tensor lives there and is
        updated in place, and onnxruntime copies the output into our array. With a CUDA graph, which
        is recorded with its addresses, both live on the GPU.
        """
        session, device = self._session, self._device
        declared = self._outputs[self._target].shape
        if declared and (reason := self._misfit(declared, target)):
            raise ModelError(reason)
        binding: Any = session.io_binding()
        # Errors are raised, so they need not be printed too.
        options = ort.RunOptions()
        options.log_severity_level = 4
        graph = self._graph_ids is not None
        if self._graph_ids is not None:
            options.add_run_config_entry("gpu_graph_id", str(next(self._graph_ids)))
        on_device = not self.on_cpu
        given = ort.OrtValue.ortvalue_from_numpy(source, *(device if on_device else ()))
        wanted = ort.OrtValue.ortvalue_from_numpy(target, *(device if graph else ()))
        binding.bind_ortvalue_input(self._names[0], given)
        binding.bind_ortvalue_output(self._names[1], wanted)

        def run() -> None:
            try:
                if on_device:
                    given.update_inplace(source)
                session.run_with_iobinding(binding, options)
                if graph:
                    np.copyto(target, wanted.numpy())
            except Exception as error:  # onnxruntime's errors have no common base
                raise SegmentError(self._reason(error, source, target)) from error

        return run

    def _misfit(self, given: Sides, target: Array) -> str | None:
        return misfit(self._outputs, self._target, given, target.shape)

    def _reason(self, error: Exception, source: Array, target: Array) -> str:
        """Why a run failed: the output's shape if that is wrong, else onnxruntime's message."""
        options = ort.RunOptions()
        options.log_severity_level = 4
        try:
            (given,) = self._session.run([self._names[1]], {self._names[0]: source}, options)
        except Exception:  # it is not the output's shape
            return in_one_line(error)
        return self._misfit(np.shape(given), target) or in_one_line(error)

    def bind_recurrent(
        self,
        source: Array,
        target: Array,
        recurrence: Recurrence,
        ratio: float,
        user: User = ANYBODY,
    ) -> RecurrentRun:
        """
        As `bind`, for a graph with states, which live on the model's device.

        Args:
            source: the picture, as in `bind`.
            target: the alpha, as in `bind`.
            recurrence: the states' names.
            ratio: factor by which the graph shrinks the picture internally, in (0, 1].
            user: whose turns the runs take.

        Raises:
            ModelError: the graph has no such states, or does not run with them.
        """
        return RecurrentRun(
            self._session,
            partial(self.turn, user),
            self._device,
            self._names,
            source,
            target,
            recurrence,
            ratio,
            self._path,
        )


def _sides(shape: Sides) -> tuple[int | str | None, ...]:
    """A declared shape, where some exporters write 0 or -1 for any length."""
    return tuple(None if isinstance(side, int) and side < 1 else side for side in shape)
