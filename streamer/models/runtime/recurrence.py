"""Running a graph that reads the states it wrote before, without copying them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from streamer.core.copying import Uncopyable
from streamer.errors import ModelError, SegmentError
from streamer.models.runtime.runtime import Array, in_one_line
from streamer.models.store.registry import Recurrence

_DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
}


class RecurrentRun(Uncopyable):
    """
    Runs a graph for one size of picture; each call continues from the states of the last one.

    There are two sets of states. Each run reads one and writes the other, then they swap; nothing
    is copied or allocated. Only the graph knows the states' shapes: to learn them, it is run once
    here, on what is in *source*, with a single zero for each state.

    Args:
        session: of the graph.
        turn: makes what is held during each run; see `Turns.turn`.
        device: onnxruntime's (device type, device id) where the states live.
        names: of the picture's input and of the alpha's output.
        source, target: arrays of the picture and the alpha, kept; each call writes *target*.
        recurrence: names of the states and of the ratio.
        ratio: in (0, 1].
        path: the model's file, for messages.

    Raises:
        ModelError: the graph has no such inputs and outputs, or does not run with them.

    Not thread-safe.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        turn: Callable[[], AbstractContextManager[None]],
        device: tuple[str, int],
        names: tuple[str, str],
        source: Array,
        target: Array,
        recurrence: Recurrence,
        ratio: float,
        path: Path,
    ) -> None:
        self._session = session
        self._wait_for_turn = turn
        self._device = device
        self._names = names
        self._source = source
        self._target = target
        self._recurrence = recurrence
        # Errors are raised, so they need not be printed too.
        self._options = ort.RunOptions()
        self._options.log_severity_level = 4
        self._given = self._placed(source)
        types = {node.name: node.type for node in session.get_inputs()}
        wanted = {recurrence.ratio, *(name for name, _ in recurrence.states)}
        if missing := wanted - types.keys():
            raise ModelError(f"{path}: no input called {', '.join(sorted(missing))}")
        outputs = {node.name for node in session.get_outputs()}
        if missing := {name for _, name in recurrence.states} - outputs:
            raise ModelError(f"{path}: no output called {', '.join(sorted(missing))}")
        self._ratio = ort.OrtValue.ortvalue_from_numpy(np.array([ratio], np.float32))
        dtypes = [_DTYPES[types[name]] for name, _ in recurrence.states]
        try:
            self._zeros = [
                np.zeros(shape, dtype)
                for shape, dtype in zip(self._shapes(dtypes), dtypes, strict=True)
            ]
        except SegmentError as error:
            raise ModelError(f"{path}: does not run: {error}") from error
        one, other = ([self._placed(zeros.copy()) for zeros in self._zeros] for _ in range(2))
        self._states = one, other
        self._bindings = self._bound(one, other), self._bound(other, one)
        self._parity = 0

    def __call__(self) -> None:
        """Run once. Raises SegmentError; the states are unchanged then."""
        if self._device[0] != "cpu":
            self._given.update_inplace(self._source)
        self._run(self._bindings[self._parity])
        self._parity = 1 - self._parity

    def forget(self) -> None:
        """Set the states to zero again."""
        for state, zeros in zip(self._states[self._parity], self._zeros, strict=True):
            state.update_inplace(zeros)

    def _placed(self, values: Array) -> Any:
        """*values* on the model's device; on a CPU that very array."""
        on_device = self._device if self._device[0] != "cpu" else ()
        return ort.OrtValue.ortvalue_from_numpy(values, *on_device)

    def _bound(self, before: list[Any], after: list[Any]) -> Any:
        """A binding that reads the states *before* and writes the states *after*."""
        binding = self._plain()
        for (source, target), old, new in zip(self._recurrence.states, before, after, strict=True):
            binding.bind_ortvalue_input(source, old)
            binding.bind_ortvalue_output(target, new)
        return binding

    def _plain(self) -> Any:
        """A binding of all but the states."""
        binding: Any = self._session.io_binding()
        binding.bind_ortvalue_input(self._names[0], self._given)
        binding.bind_ortvalue_input(self._recurrence.ratio, self._ratio)
        binding.bind_ortvalue_output(self._names[1], ort.OrtValue.ortvalue_from_numpy(self._target))
        return binding

    def _shapes(self, dtypes: list[np.dtype[Any]]) -> list[tuple[int, ...]]:
        """The states' shapes, found by a first run."""
        binding = self._plain()
        first = [self._placed(np.zeros((1, 1, 1, 1), dtype)) for dtype in dtypes]
        for (source, target), state in zip(self._recurrence.states, first, strict=True):
            binding.bind_ortvalue_input(source, state)
            binding.bind_output(target, *self._device)
        self._run(binding)
        return [tuple(value.shape()) for value in binding.get_outputs()[1:]]

    def _run(self, binding: Any) -> None:
        with self._wait_for_turn():
            try:
                self._session.run_with_iobinding(binding, self._options)
            except Exception as error:  # onnxruntime's errors have no common base
                raise SegmentError(in_one_line(error)) from error
