"""Loaded graphs, shared: streams of one process that want the same graph use one session."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from streamer.config import ModelConfig
from streamer.core.cpu import priority
from streamer.models.store.registry import Contract

R = TypeVar("R")

_loaded: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
"""Graphs by what they were loaded from and for. One goes when its last user drops it."""
_loading = threading.Lock()


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
    with _loading:
        runtime: R | None = _loaded.get(key)
        if runtime is None:
            runtime = _loaded[key] = load()
    return runtime
