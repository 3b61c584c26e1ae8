"""Loaded graphs, lent to all who want the same one: streams of one process share a session."""

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
"""By what they were loaded from and for. A graph goes when the last who runs it lets it go."""
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
    The graph that somebody uses already, or else what *load* makes of the rest.

    It is shared only among those of one priority: a runtime's threads have that of the thread that
    loads it. Thread-safe; loads one at a time, so that two who come together share one.

    Raises:
        ModelError: what *load* raises; then nothing is kept.
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
