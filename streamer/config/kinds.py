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
_broken: list[str] | None = None
"""What could not be loaded of installed packages; None before it was tried."""


def made_by(config: SourceBase | SinkBase) -> Callable[..., Any]:
    """
    Import and return the callable that makes the part *config* describes.

    Raises:
        ConfigError: there is no such module, or no such name in it.
    """
    module, _, name = config.MADE_BY.partition(":")
    try:
        maker: Callable[..., Any] = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"type: {config.type}: what makes it cannot be had: {error}") from error
    return maker


def register(kind: _Kind) -> _Kind:
    """
    Add a kind of source or sink, which configurations then name by its `type`.

    Args:
        kind: its configuration class, whose `type` is a Literal of one word, and whose `MADE_BY`
            names its maker. It is returned, so that this can be used as a decorator.

    Raises:
        ValueError: it lacks one of these, another class has that `type` already, or pydantic cannot
            make a schema of it. Nothing is changed then.
    """
    name = type_of(kind)
    if ":" not in getattr(kind, "MADE_BY", ""):
        raise ValueError(f"type: {name}: its class names no maker: set MADE_BY to module:name")
    with _lock:
        known = kinds_of(kind)
        if kind in known:
            return kind
        if any(type_of(other) == name for other in known):
            raise ValueError(f"type: {name} is another's already")
        try:
            _put(kind, [*known, kind])
        except Exception as error:
            _put(kind, known)
            raise ValueError(f"type: {name}: {error}") from error
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
    """
    The `type` by which configurations name *kind*.

    Raises:
        ValueError: it is no Literal of one word.
    """
    names = get_args(kind.model_fields["type"].annotation)
    if len(names) != 1 or not isinstance(names[0], str):
        raise ValueError(f"{kind.__name__}: its type is to be a Literal of one word")
    return names[0]


def find_kinds() -> None:
    """Register the kinds of installed packages, once; `broken_kinds` has those that failed."""
    global _broken
    with _lock:
        if _broken is not None:
            return
        _broken = []
        for point in [point for group in _GROUPS for point in entry_points(group=group)]:
            try:
                register(point.load())
            except Exception as error:  # another's code: whatever it is, it is told
                said = f"{point.name} of an installed package cannot be loaded: {error}"
                _broken.append(f"{point.group}: {said}")


def broken_kinds() -> list[str]:
    """What cannot be used of installed packages, and why: a line for each."""
    with _lock:
        return list(_broken or ())


def _put(
    like: type[SourceBase] | type[SinkBase], kinds: list[type[SourceBase] | type[SinkBase]]
) -> None:
    """Have configurations know *kinds*, and no other such as *like*."""
    union: Any = reduce(or_, kinds)
    if issubclass(like, SinkBase):
        listed: Any = list[Annotated[union, Field(discriminator="type")]]
        Config.model_fields["sinks"].annotation = listed
    else:
        Config.model_fields["source"].annotation = union
    Config.model_rebuild(force=True)
