"""
YAML in, a validated `Config` out; what is wrong is said in one line that names where.

The order is: read the file, apply the overrides, fill in `${VARIABLES}`, validate. Relative paths
inside a configuration are relative to the current folder, not to the file, so that the same file
serves from anywhere it is run.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from streamer.config.complaints import complaints
from streamer.config.environment import FromEnvironment
from streamer.config.models import Config
from streamer.config.sources import SourceConfig
from streamer.errors import ConfigError

_PLACEHOLDER = re.compile(
    r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<stray>\$\{)"
)


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """
    The configuration in a YAML file.

    Args:
        path: the file, in UTF-8.
        overrides: `key=value`, as `source.fps=15` or `sinks.0.path=out/a.mp4`; values are YAML.

    Raises:
        ConfigError: it cannot be read or is not valid; one line that names file, key and value.
    """
    name = os.fspath(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{name}: no such file: `streamer config init` writes one to start from"
        ) from None
    except IsADirectoryError:
        raise ConfigError(f"{name}: is a folder, not a YAML file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{name}: is not text in UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from None
    try:
        data = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
        if data is None:
            raise ConfigError(f"{name}: is empty: `streamer config init` writes one to start from")
        return parse_config(data, overrides, name=name)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: {_yaml_complaint(error)}") from None
    except RecursionError:
        raise ConfigError(f"{name}: is nested too deeply, or refers to itself") from None


def parse_config(
    data: Mapping[str, Any], overrides: Sequence[str] = (), *, name: str = "configuration"
) -> Config:
    """
    The configuration in plain data, as YAML gives it; `${VARIABLES}` are filled in.

    Args:
        data: a mapping of the keys of `Config`.
        overrides: as `load_config` takes them.
        name: what messages begin with.

    Raises:
        ConfigError: it is not valid.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{name}: is not a mapping of keys such as `source:` and `sinks:`")
    changed = copy.deepcopy(dict(data))
    for override in overrides:
        _override(changed, override)
    filled = _interpolated(changed, name, ())
    try:
        return Config.model_validate(filled)
    except ValidationError as error:
        raise ConfigError(f"{name}: {'; '.join(complaints(error, filled))}") from None


def revise_source(source: SourceConfig, changes: Mapping[str, Any]) -> SourceConfig:
    """
    *source* with other values for some of its settings.

    Raises:
        ConfigError: there is no such setting or value.
    """
    if changes.get("type", source.type) != source.type:
        raise ConfigError("source.type: is fixed when the source starts")
    data = {"source": source.model_dump() | dict(changes), "sinks": [{"type": "discard"}]}
    try:
        return Config.model_validate(data).source
    except ValidationError as error:
        raise ConfigError("; ".join(complaints(error, data))) from None


class _UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys without a word; here they are an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _yaml_complaint(error: yaml.YAMLError) -> str:
    """One line of a YAML error, with line and column counted from 1."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return "is not YAML"
    mark = error.problem_mark or error.context_mark
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    problem = " ".join((error.problem or error.context or "").split())
    return f"{where}{problem}" if "stands twice" in problem else f"{where}not YAML: {problem}"


def _override(data: dict[str, Any], override: str) -> None:
    """Apply one `key=value` to *data*, making the mappings on its way."""
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not all(key.split(".")):
        raise ConfigError(f"--set {key}: is not key=value, as in `--set source.fps=15`")
    try:
        value = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError:
        raise ConfigError(f"--set {key}: the value is not YAML: quote it") from None
    *way, last = key.split(".")
    here: Any = data
    for step in way:
        if isinstance(here, dict) and here.get(step) is None:
            here[step] = {}
        here = here[_step(here, step, key)]
    if isinstance(here, list) and last == str(len(here)):
        here.append(value)
    else:
        here[_step(here, last, key)] = value


def _step(here: Any, step: str, key: str) -> Any:
    """*step* as an index of the list or a key of the mapping *here*."""
    if isinstance(here, dict):
        return step
    if not isinstance(here, list):
        raise ConfigError(f"--set {key}: there is nothing below a plain value at '{step}'")
    if not (step.isascii() and step.isdigit() and int(step) < len(here)):
        raise ConfigError(f"--set {key}: '{step}' is not one of the {len(here)} entries, from 0")
    return int(step)


def _interpolated(value: Any, name: str, location: tuple[object, ...]) -> Any:
    """*value* with the environment's variables filled in, in strings at any depth."""
    if isinstance(value, Mapping):
        return {key: _interpolated(item, name, (*location, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_interpolated(item, name, (*location, n)) for n, item in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value
    where = f"{name}: {'.'.join(map(str, location))}"

    def filled(match: re.Match[str]) -> str:
        if match["stray"]:
            raise ConfigError(
                f"{where}: write ${{NAME}} or ${{NAME:-default}}, and $${{ for a plain ${{"
            )
        if match["name"] is None:
            return "${"
        found = os.environ.get(match["name"]) or match["default"]
        if found is None:
            raise ConfigError(
                f"{where}: the environment variable {match['name']} is not set: "
                f"set it, or write ${{{match['name']}:-default}}"
            )
        return found

    text = _PLACEHOLDER.sub(filled, value)
    whole = _PLACEHOLDER.fullmatch(value)
    return FromEnvironment(text) if whole is not None and whole["name"] else text
