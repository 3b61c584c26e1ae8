"""
Loaded graphs and their tensors, shared: streams of one process that want the same use the same.

What is lent goes when its last user drops it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from streamer.config import ModelConfig
from streamer.core.cpu import priority
from streamer.models.runtime.bound import Bound
from streamer.models.runtime.ports import Size
from streamer.models.runtime.runtime import Runtime
from streamer.models.runtime.tensors import Tensors
from streamer.models.store.registry import Contract

R = TypeVar("R")

_loaded: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
"""Graphs by what they were loaded from and for."""
_bound: WeakValueDictionary[Hashable, Bound] = WeakValueDictionary()
"""By the graph, which a `Bound` keeps, and by what its tensors are made for."""
_making = threading.Lock()


def lent(
    load: Callable[[], R],
    backend: str,
    path: Path,
    contract: Contract,
    model: ModelConfig,
    *,
    threads: int,
    sha256: str,
) -> R:
    """
    Return the graph that is in use already for the same arguments, or else load it with *load*.

    It is shared only among threads of one priority: a runtime's threads have the priority of the
    thread that loads it. Thread-safe; loads one at a time, so that two who ask at once share one.

    Raises:
        ModelError: as *load* raises it; then nothing is kept.
    """
    key = (
        *(backend, str(path.resolve()), sha256, threads, priority()),
        *(contract.input, contract.output, contract.recurrence),
        *(str(model.providers), model.precision, model.options.model_dump_json()),
    )
    with _making:
        runtime: R | None = _loaded.get(key)
        if runtime is None:
            runtime = _loaded[key] = load()
    return runtime


def bound_to(
    runtime: Runtime, size: Size, contract: Contract, *, normalize: bool, smooth: bool
) -> Bound:
    """
    *runtime* bound to tensors of *size*: on a CPU to those that are in use already, if any.

    Args:
        runtime: the graph.
        size: (height, width) of the input.
        contract: how the graph expects its input and what its output means.
        normalize: see `Tensors`.
        smooth: see `Tensors`.

    Raises:
        ModelError: the graph cannot be bound to them.

    Thread-safe.
    """
    signature = runtime.signature

    def made() -> Bound:
        tensors = Tensors(
            size,
            contract,
            dtype=signature.dtype,
            output_dtype=signature.output_dtype,
            output_rank=signature.output_rank,
            normalize=normalize,
            smooth=smooth,
        )
        return Bound(runtime, tensors)

    if not runtime.on_cpu:
        return made()
    key = id(runtime), size, contract, normalize, smooth
    with _making:
        bound = _bound.get(key)
        if bound is None:
            bound = _bound[key] = made()
    return bound
