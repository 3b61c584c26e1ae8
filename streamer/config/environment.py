"""Values of environment variables; the option that takes one decides its type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr


class FromEnvironment(str):
    """
    The value of an environment variable.

    For an option that takes text it stays text, even `0123`, `true` or `null`; for numbers and
    truth values pydantic converts it.
    """

    __slots__ = ()


def as_wanted(value: Any, annotation: Any) -> Any:
    """*value* with its texts from the environment made fit for a field of that *annotation*."""
    if isinstance(value, list):
        return [as_wanted(item, annotation) for item in value]
    if not isinstance(value, FromEnvironment):
        return value
    text = str(value)
    kinds = list(_leaves(annotation))
    takes_text = any(kind in (str, SecretStr) for kind in kinds)
    if type(None) in kinds and (not text or (not takes_text and text in ("~", "null"))):
        return None
    if takes_text and any(kind in (int, float) for kind in kinds):
        # A camera's index or its name.
        return int(text) if text.isascii() and text.isdigit() else text
    return text


def _leaves(annotation: Any) -> Iterator[Any]:
    """The plain types within *annotation*, at any depth."""
    parts = () if get_origin(annotation) is Literal else get_args(annotation)
    if not parts:
        yield annotation
    for part in parts:
        yield from _leaves(part)
