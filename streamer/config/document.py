"""
Read YAML text into plain data, within limits that no real configuration reaches.

Aliases are counted each time they are used, so that ten lines cannot stand for a billion values.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from streamer.errors import ConfigError

_MOST_BYTES = 1 << 18
_MOST_VALUES = 10_000
_DEEPEST = 50
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_LONGEST_NUMBER = 400
"""Characters of a number; the largest float has 309 digits."""
_MISTYPED = (ValueError, OverflowError, LookupError, AttributeError, TypeError)
"""What PyYAML raises if a value does not fit its tag: a day 32, `!!bool x`, `!!int ''`."""


def read_text(path: str | os.PathLike[str], name: str) -> str:
    """The text of a file, called *name* in messages. Raises ConfigError."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            f"{name}: no such file: `streamer config init` writes one to start from"
        ) from None
    except IsADirectoryError:
        raise ConfigError(f"{name}: is a folder, not a YAML file") from None
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from None
    if len(content) > _MOST_BYTES:
        raise ConfigError(f"{name}: has over {_MOST_BYTES >> 10} KiB: no configuration does")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{name}: is not text in UTF-8") from None


def parse_yaml(text: str) -> Any:
    """The one document in *text* as plain data. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader


def yaml_complaint(error: yaml.YAMLError) -> str:
    """One line of a YAML error, with line and column counted from 1."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return "is not YAML"
    mark = error.problem_mark or error.context_mark
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    problem = " ".join((error.problem or error.context or "").split())
    return f"{where}{problem}" if isinstance(error, _Refusal) else f"{where}not YAML: {problem}"


class _Refusal(yaml.MarkedYAMLError):
    """Valid YAML that we refuse."""


def _endless(mark: yaml.Mark) -> _Refusal:
    where = f"line {mark.line + 1}, column {mark.column + 1}"
    return _Refusal(problem=f"is nested too deeply, or refers to itself: {where}")


def _refuse_equal_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.value in seen:
            raise _Refusal(
                problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark
            )
        seen.add(key.value)


class _Loader(yaml.SafeLoader):
    """
    A SafeLoader that counts values and levels, and refuses equal keys.

    PyYAML itself silently keeps the last of two equal keys.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = 0
        self._level = 0
        self._sizes: dict[int, int] = {}
        """Number of values in each finished node, aliases included, by its `id`."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        is_alias = self.check_event(yaml.AliasEvent)
        before = self._values
        self._level += 1
        if self._level > _DEEPEST:
            raise _endless(mark)
        node = super().compose_node(parent, index)
        self._level -= 1
        if is_alias and id(node) not in self._sizes:
            raise _endless(mark)
        self._values += self._sizes[id(node)] if is_alias else 1
        self._sizes.setdefault(id(node), self._values - before)
        if self._values > _MOST_VALUES:
            raise _Refusal(
                problem=f"has over {_MOST_VALUES} values, aliases counted as often as used",
                problem_mark=mark,
            )
        if isinstance(node, yaml.MappingNode) and not is_alias:
            _refuse_equal_keys(node)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        refusal = _Refusal(
            problem="is no such number, date or truth value: put a text in quotes",
            problem_mark=node.start_mark,
        )
        # PyYAML is slow with long numbers to the base 60.
        if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
            raise refusal
        try:
            return super().construct_object(node, deep=deep)
        except _MISTYPED:
            raise refusal from None
