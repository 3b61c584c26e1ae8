"""
What may be changed from a browser.

Less than a configuration has: whoever uses the page may not name files of the machine, nor
addresses, for it would read and write them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from streamer.config import Config, SourceConfig
from streamer.config.changing import way_of
from streamer.controls import Refused

_SECTIONS = ("refine", "compose", "preprocess", "matting")
_OF_SOURCES = ("device", "width", "height", "fps", "max_fps", "order", "seed", "loop")
_FILE = "path"
"""The option of a background that names a file."""
_MOST = 200
"""Keys of one change."""
_LONGEST = 200
"""Characters of a key or a text; those of the configuration are shorter."""
_DEEPEST = 16
"""Levels of a value; those of the configuration are four at most."""


def refusal(changes: Mapping[str, object], models: Sequence[str]) -> Refused | None:
    """
    Why *changes* are not for a browser; None if they are.

    Args:
        changes: by dotted key of the configuration.
        models: the names of models that may be chosen.
    """
    if len(changes) > _MOST:
        key = next(iter(changes))
        return Refused(key, changes[key], f"{len(changes)} changes at once: {_MOST} at most")
    refused = (_refused(key, value, models) for key, value in changes.items())
    return next((one for one in refused if one is not None), None)


def _refused(key: str, value: object, models: Sequence[str]) -> Refused | None:
    if len(key) > _LONGEST:
        return Refused(key, value, f"{key[:_LONGEST]}…: there is no such option")
    section, _, name = key.partition(".")
    if key in ("model", "model.name"):
        only = not isinstance(value, Mapping) or set(value) == {"name"}
        named = value.get("name") if isinstance(value, Mapping) else value
        if not (only and named in models):
            return Refused(key, value, f"{key}: is not one of {', '.join(models)}")
        return None
    if section == "source":
        if name not in _OF_SOURCES:
            return Refused(key, value, f"{key}: is not changed from here", fixed=True)
        if name == "device" and not isinstance(value, int):
            return Refused(key, value, f"{key}: cameras are chosen by their index here")
        return None
    if section not in _SECTIONS or way_of(key) == "restart":
        return Refused(key, value, f"{key}: is not changed from here", fixed=True)
    return _refused_within(key, value)


def _refused_within(key: str, value: object) -> Refused | None:
    """Refuse a *value* that names a file somewhere, or is deeper or longer than any that fits."""
    level = [(key, value)]
    for _ in range(_DEEPEST):
        for where, one in level:
            name = where.rpartition(".")[2]
            if name == _FILE:
                why = "files of the machine are not named from here"
                return Refused(key, value, f"{where}: {why}")
            if len(name) > _LONGEST or (isinstance(one, str) and len(one) > _LONGEST):
                return Refused(key, value, f"{key}: has a text that is too long")
        level = [(f"{where}.{name}", it) for where, one in level for name, it in _parts(one)]
        if not level:
            return None
    return Refused(key, value, f"{key}: is nested too deeply")


def _parts(value: object) -> Iterable[tuple[object, object]]:
    if isinstance(value, Mapping):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def options() -> dict[str, Any]:
    """The JSON schema of each option that may be changed, by dotted key."""
    found: dict[str, Any] = {}
    for section in _SECTIONS:
        schema = Config.model_fields[section].annotation.model_json_schema()  # type: ignore[union-attr]
        for name, described in schema["properties"].items():
            if way_of(f"{section}.{name}") != "restart":
                found[f"{section}.{name}"] = _resolved(described, schema.get("$defs", {}))
    return found


def _resolved(described: Any, definitions: Mapping[str, Any]) -> Any:
    """*described*, with what it refers to put in its place."""
    if isinstance(described, Mapping):
        if (reference := described.get("$ref")) is not None:
            named = definitions[reference.rpartition("/")[2]]
            rest = {key: it for key, it in described.items() if key != "$ref"}
            return _resolved({**named, **rest}, definitions)
        return {
            key: _resolved(it, definitions)
            for key, it in described.items()
            if key != "discriminator"
        }
    if isinstance(described, list):
        return [_resolved(it, definitions) for it in described]
    return described


def settings_of(config: Config) -> dict[str, Any]:
    """The present values of *config*, without secrets, paths and addresses."""
    plain = config.model_dump(mode="json", include={*_SECTIONS, "model", "source"})
    plain["source"] = _of_source(config.source)
    plain["model"] = {"name": config.model.name}
    return {name: _without_files(section) for name, section in plain.items()}


def _of_source(source: SourceConfig) -> dict[str, Any]:
    plain = source.model_dump(mode="json")
    return {name: it for name, it in plain.items() if name in ("type", *_OF_SOURCES)}


def _without_files(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_files(it) for key, it in value.items() if key != _FILE}
    return value
