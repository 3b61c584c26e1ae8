"""
Load YAML into a validated `Config`; an error is one line that names the place.

The order is: read the file, apply the overrides, fill in `${VARIABLES}`, validate. Relative paths
inside a configuration are relative to the current folder, not to the file, so that the same file
serves from anywhere it is run.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from streamer.config.complaints import complaints
from streamer.config.document import parse_yaml, read_text, yaml_complaint
from streamer.config.environment import FromEnvironment
from streamer.config.kinds import broken_kinds, find_kinds
from streamer.config.models import Config
from streamer.errors import ConfigError

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_INNER = ""
for _ in range(8):  # defaults within defaults
    _INNER = rf"(?:\$\$\{{|\$\{{{_NAME}(?::-{_INNER})?\}}|\$(?!\$?\{{)|[^$}}])*"
_PLACEHOLDER = re.compile(
    rf"\$\$\{{|\$\{{(?P<name>{_NAME})(?::-(?P<default>{_INNER}))?\}}|(?P<stray>\$\{{)"
)

_MOST_NAMES = 12
"""That a message lists."""


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """
    The configuration in a YAML file.

    Args:
        path: the file, in UTF-8.
        overrides: `key=value`, as `source.fps=15` or `sinks.0.path=out/a.mp4`; values are YAML.

    Raises:
        ConfigError: it cannot be read or is not valid; one line that names file, key and value.
    """
    return parse_config(read_yaml(path), overrides, name=os.fspath(path))


def parse_config(
    data: Mapping[str, Any], overrides: Sequence[str] = (), *, name: str = "configuration"
) -> Config:
    """
    The configuration in plain data, as YAML gives it; `${VARIABLES}` are filled in.

    Args:
        data: a mapping of the keys of `Config`. Those that begin with `x-` are a place for YAML's
            anchors and mean nothing themselves.
        overrides: as `load_config` takes them.
        name: what messages begin with.

    Raises:
        ConfigError: it is not valid.
    """
    filled = plain_data(data, overrides, name=name)
    if "streams" in filled:
        raise ConfigError(f"{name}: has several streams: `streamer run` takes it, this does not")
    checked = check_config(filled)
    if isinstance(checked, Config):
        return checked
    raise ConfigError(f"{name}: {'; '.join(checked)}")


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """What a YAML file says, as plain data. Raises ConfigError."""
    name = os.fspath(path)
    try:
        data = parse_yaml(read_text(path, name))
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: {yaml_complaint(error)}") from None
    if data is None:
        raise ConfigError(f"{name}: is empty: `streamer config init` writes one to start from")
    return data


def plain_data(
    data: Mapping[str, Any], overrides: Sequence[str] = (), *, name: str
) -> dict[str, Any]:
    """
    *data* with *overrides* and `${VARIABLES}` filled in, without keys that begin with `x-`.

    Raises:
        ConfigError: it is no mapping, an override does not fit it, or a variable is not set.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{name}: is not a mapping of keys such as `source:` and `sinks:`")
    changed = {k: value for k, value in _copied(data).items() if not k.startswith("x-")}
    for override in overrides:
        _override(changed, override, several="streams" in data)
    filled: dict[str, Any] = _interpolated(changed, name, ())
    return filled


def check_config(data: Mapping[str, Any]) -> Config | list[str]:
    """The configuration in plain *data*, or a phrase for each thing that is wrong in it."""
    try:
        return _validated(data)
    except ValidationError as error:
        said = complaints(error, data)
        return said + broken_kinds() if _has_unknown_kind(error) else said


def _validated(data: Mapping[str, Any]) -> Config:
    """Validate *data*; an unknown kind of source or sink is looked for in installed packages."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        if not _has_unknown_kind(error):
            raise
    find_kinds()
    return Config.model_validate(data)


def _has_unknown_kind(error: ValidationError) -> bool:
    """Whether the `type` of a source or sink is unknown, or missing."""
    kinds = ("union_tag_invalid", "union_tag_not_found")
    return any(detail["type"] in kinds for detail in error.errors())


def revise(config: Config, changes: Mapping[str, Any]) -> Config:
    """
    *config* with other values for some of its settings, valid as a whole.

    Args:
        config: the present one, which stays as it is.
        changes: values by dotted keys, as `{"refine.threshold": 0.6}`.

    Returns:
        A new one; the sections that do not change are the same objects.

    Raises:
        ConfigError: there is no such setting or value.
    """
    data = _plain(config)
    for key, value in changes.items():
        _put(data, key, _plain(value))
    try:
        wanted = Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError("; ".join(complaints(error, data))) from None
    sections = {name: getattr(wanted, name) for name in Config.model_fields}
    changed = {name: new for name, new in sections.items() if new != getattr(config, name)}
    return config.model_copy(update=changed)


def _plain(value: Any) -> Any:
    """A copy of *value* as YAML would give it: no models and no tuples."""
    if isinstance(value, BaseModel):
        return _plain(value.model_dump())
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _copied(value: Any) -> Any:
    """A copy of *value* that shares no parts, even where YAML's aliases did."""
    if isinstance(value, Mapping):
        return {str(key): _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value


def _override(data: dict[str, Any], override: str, *, several: bool) -> None:
    """Apply one `key=value` to *data*, of *several* streams, creating missing mappings."""
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not all(key.split(".")):
        raise ConfigError(f"--set {key}: is not key=value, as in `--set source.fps=15`")
    try:
        value = parse_yaml(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {key}: the value is not YAML: quote it") from None
    try:
        if several:
            _check_fits_streams(data, key)
        _put(data, key, value)
    except ConfigError as error:
        raise ConfigError(f"--set {error}") from None


def _check_fits_streams(data: Mapping[str, Any], key: str) -> None:
    """Refuse a *key* of a stream that *data* does not have, or in a list of its defaults."""
    section, *way = key.split(".")
    streams = data.get("streams")
    if section != "streams" or not way or not isinstance(streams, Mapping) or not streams:
        return
    if way[0] not in streams:
        near = difflib.get_close_matches(way[0], streams, n=1)
        names = [*list(streams)[:_MOST_NAMES], *["…"] * (len(streams) > _MOST_NAMES)]
        raise ConfigError(
            f"{key}: there is no such stream: the streams are {', '.join(names)}"
            + (f": did you mean '{near[0]}'?" if near else "")
        )
    if at := _list_in_defaults(data.get("defaults"), streams[way[0]], way[1:]):
        raise ConfigError(
            f"{key}: the list is in defaults: set defaults.{'.'.join(way[1:])}, or the whole list "
            f"streams.{way[0]}.{at}"
        )


def _list_in_defaults(defaults: Any, own: Any, way: Sequence[str]) -> str | None:
    """The key of the list that *way* leads into, if *defaults* has it and a stream's *own* not."""
    for number, step in enumerate(way):
        if own is not None and not isinstance(own, Mapping):
            return None
        if isinstance(defaults, list) and own is None:
            return ".".join(way[:number])
        if not isinstance(defaults, Mapping):
            return None
        if own and own.get("type", defaults.get("type")) != defaults.get("type", own.get("type")):
            return None  # which shares nothing with the default
        defaults, own = defaults.get(step), own.get(step) if own else None
    return None


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    """Set the dotted *key* of *data* to *value*, creating missing mappings."""
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
        raise ConfigError(f"{key}: there is nothing below a plain value at '{step}'")
    if not (step.isascii() and step.isdigit() and int(step) < len(here)):
        raise ConfigError(f"{key}: '{step}' is not one of the {len(here)} entries, from 0")
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
        found = os.environ.get(match["name"])
        if not found and match["default"] is not None:
            return _PLACEHOLDER.sub(filled, match["default"])
        if not found:
            raise ConfigError(
                f"{where}: the environment variable {match['name']} is not set: "
                f"set it, or write ${{{match['name']}:-default}}"
            )
        return found

    text = _PLACEHOLDER.sub(filled, value)
    whole = _PLACEHOLDER.fullmatch(value)
    return FromEnvironment(text) if whole is not None and whole["name"] else text
