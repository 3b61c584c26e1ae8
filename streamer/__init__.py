"""
Removes the background from live video.

The names below are loaded at their first use, so that `streamer --help` is quick and
`streamer doctor` can still tell which package is broken.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamer.errors import StreamerError
    from streamer.frame import Frame, Matte, Stamp
    from streamer.host import Host
    from streamer.remover import BackgroundRemover
    from streamer.stream import Stream as Pipeline

__version__ = "0.1.0"

__all__ = [
    "BackgroundRemover",
    "Frame",
    "Host",
    "Matte",
    "Pipeline",
    "Stamp",
    "StreamerError",
    "__version__",
]

_HOMES = {
    "BackgroundRemover": ("streamer.remover", "BackgroundRemover"),
    "Frame": ("streamer.frame", "Frame"),
    "Host": ("streamer.host", "Host"),
    "Matte": ("streamer.frame", "Matte"),
    "Pipeline": ("streamer.stream", "Stream"),
    "Stamp": ("streamer.frame", "Stamp"),
    "StreamerError": ("streamer.errors", "StreamerError"),
}
"""The module of each name, and its name there: users know a stream as a pipeline."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, within = _HOMES[name]
    return getattr(importlib.import_module(module), within)


def __dir__() -> list[str]:
    return sorted(__all__)
