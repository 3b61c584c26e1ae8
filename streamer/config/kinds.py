"""
Kinds of sources and sinks beyond those that are built in.

A package adds one by naming its configuration class as an entry point of `streamer.sources` or
`streamer.sinks`. A program adds its own with `register`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from importlib.metadata import entry_points
from operator import or_
from typing import Annotated, Any, TypeVar, get_args

from pydantic import Field

from streamer.config.data import models_in
from streamer.config.models import Config
from streamer.config.sinks import SinkBase
from streamer.config.sources import SourceBase
from streamer.errors import ConfigError

_Kind = TypeVar("_Kind", bound=type[SourceBase] | type[SinkBase])

_GROUPS = ("streamer.sources", "streamer.sinks")
_lock = threading.RLock()
_searched = False


def made_by(config: SourceBase | SinkBase) -> Callable[..., Any]:
    """Import and return the callable that makes the part *config* describes."""
    module, _, name = config.MADE_BY.partition(":")
    maker: Callable[..., Any] = getattr(import_module(module), name)
    return maker


def register(kind: _Kind) -> _Kind:
    """
    Add a kind of source or sink, which configurations then name by its `type`.

    Args:
        kind: its configuration class, whose `type` is a Literal of one word. It is returned, so
            that this can be used as a decorator.

    Raises:
        ValueError: another class has that `type` already.
    """
    name = type_of(kind)
    with _lock:
        known = kinds_of(kind)
        if kind in known:
            return kind
        if any(type_of(other) == name for other in known):
            raise ValueError(f"type: {name} is another's already")
        union: Any = reduce(or_, [*known, kind])
        if issubclass(kind, SinkBase):
            listed: Any = list[Annotated[union, Field(discriminator="type")]]
            Config.model_fields["sinks"].annotation = listed
        else:
            Config.model_fields["source"].annotation = union
        Config.model_rebuild(force=True)
    return kind


def kinds_of(kind: type[SourceBase] | type[SinkBase]) -> list[type[SourceBase] | type[SinkBase]]:
    """All known classes of sources if *kind* is one, else all those of sinks."""
    field = "sinks" if issubclass(kind, SinkBase) else "source"
    return [
        model
        for model in models_in(Config.model_fields[field].annotation)
        if issubclass(model, SourceBase | SinkBase)
    ]


def type_of(kind: type[SourceBase] | type[SinkBase]) -> str:
    """The `type` by which configurations name *kind*."""
    return str(get_args(kind.model_fields["type"].annotation)[0])


def find_kinds() -> bool:
    """
    Register the kinds of installed packages, once; return whether there were any.

    Raises:
        ConfigError: one of them cannot be loaded.
    """
    global _searched
    with _lock:
        if _searched:
            return False
        _searched = True
        found = [point for group in _GROUPS for point in entry_points(group=group)]
        for point in found:
            try:
                register(point.load())
            except Exception as error:
                raise ConfigError(
                    f"{point.group}: {point.name} of an installed package cannot be loaded: {error}"
                ) from error
        return bool(found)
