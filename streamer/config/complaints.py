"""
What pydantic found wrong, in the words of the file's author: YAML path, value, what is expected.

No value of a key that may hold a credential, nor any URL, is repeated.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from streamer.config.models import Config

Location = tuple[int | str, ...]

_EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "a text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def complaints(error: ValidationError, data: Mapping[str, Any]) -> list[str]:
    """
    One phrase for each thing wrong in *data*, as `source.fps: 0 is not a positive number`.

    Args:
        error: what `Config.model_validate(data)` raised.
        data: plain data, as YAML gives it.
    """
    found: dict[Location, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        found.setdefault(_in_the_file(detail, data), []).append(detail)
    # Where an alternative of a union fits down to one of its entries, the entry is what is wrong.
    deepest = {
        location: details
        for location, details in found.items()
        if not all(detail["type"] == "literal_error" for detail in details)
        or not any(len(o) > len(location) and o[: len(location)] == location for o in found)
    }
    return [_phrase(location, details, data) for location, details in deepest.items()]


def _in_the_file(detail: ErrorDetails, data: Any) -> Location:
    """The error's location without the names of the union's members, which no file holds."""
    location: list[int | str] = []
    here = data
    parts = detail["loc"]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        inside = (isinstance(here, Mapping) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        )
        if inside:
            here = here[part]
        elif not (last and detail["type"] == "missing"):
            continue
        location.append(part)
    if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
        location.append("type")
    return tuple(location)


def _phrase(location: Location, details: list[ErrorDetails], data: Mapping[str, Any]) -> str:
    first = details[0]
    context = first.get("ctx", {})
    match first["type"]:
        case "missing":
            return f"{_dotted(location)}is missing"
        case "extra_forbidden" | "invalid_key":
            return f"{_dotted(location[:-1])}{_unknown_key(location, data)}"
        case "union_tag_not_found":
            return f"{_dotted(location)}is missing: one of {_tags(location[:-1])}"
        case "union_tag_invalid":
            tags = _tags(location[:-1])
            return (
                f"{_dotted(location)}'{context['tag']}' is not one of {tags}"
                f"{_nearest(str(context['tag']), tags.split(', '))}"
            )
        case "value_error":
            shown = str(context["error"])
            return f"{_dotted(location)}{shown}"
        case "too_short":
            return f"{_dotted(location)}needs at least {context['min_length']}"
    expected = [_expected(detail) for detail in details]
    if None in expected:
        return f"{_dotted(location)}{_decapitalised(first['msg'])}"
    unique = list(dict.fromkeys(filter(None, expected)))
    choices = [
        str(choice)
        for detail in details
        if detail["type"] == "literal_error"
        for choice in _quoted(detail)
    ]
    value = first["input"]
    near = _nearest(value, choices) if isinstance(value, str) else ""
    return f"{_dotted(location)}{_shown(value, location)} is not {' or '.join(unique)}{near}"


def _expected(detail: ErrorDetails) -> str | None:
    """What was expected, to follow `… is not `; None where pydantic's own words must do."""
    kind = detail["type"]
    context = detail.get("ctx", {})
    match kind:
        case "greater_than":
            return "a positive number" if context["gt"] == 0 else f"above {context['gt']}"
        case "greater_than_equal":
            return f"at least {context['ge']}"
        case "less_than":
            return f"below {context['lt']}"
        case "less_than_equal":
            return f"at most {context['le']}"
        case "literal_error":
            choices = _quoted(detail)
            return f"one of {', '.join(choices)}" if len(choices) > 1 else f"'{choices[0]}'"
        case "string_too_short":
            return f"{context['min_length']} characters long"
        case "string_too_long":
            return f"{context['max_length']} characters long"
        case "string_pattern_mismatch":
            return f"of the form {context['pattern']}"
    return _EXPECTED.get(kind)


def _quoted(detail: ErrorDetails) -> list[str]:
    """The choices that pydantic lists as `'a', 'b' or 'c'`."""
    return re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))


def _shown(value: object, location: Location) -> str:
    """*value* as a message may repeat it."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if "://" in str(value) or _is_secret(location):
        return "the value"
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"


def _is_secret(location: Location) -> bool:
    """Whether a credential may stand there, going by the names of the keys."""
    return any(
        name in ("url", "serve", "publish", "password", "token", "secret") for name in location
    )


def _unknown_key(location: Location, data: Mapping[str, Any]) -> str:
    key = str(location[-1])
    keys = sorted({key for model in _models_at(location[:-1], data) for key in model.model_fields})
    near = _nearest(key, keys)
    return f"unknown key '{key}'{near or ': the keys are ' + ', '.join(keys)}"


def _nearest(word: str, words: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f": did you mean '{near[0]}'?" if near else ""


def _models_at(location: Location, data: Mapping[str, Any]) -> list[type[BaseModel]]:
    """The models that may stand at *location*; one, where `type:` says which."""
    models: list[type[BaseModel]] = [Config]
    here: Any = data
    for part in location:
        here = here[part]
        if isinstance(part, int):
            named = models
        else:
            fields = [model.model_fields[part] for model in models if part in model.model_fields]
            named = [model for field in fields for model in _models_in(field.annotation)]
        tag = here.get("type") if isinstance(here, Mapping) else None
        models = [model for model in named if tag in _types(model)] or named
    return models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models anywhere within a field's annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _types(model: type[BaseModel]) -> tuple[str, ...]:
    """The values of a model's `type:`, if it has one."""
    field = model.model_fields.get("type")
    if field is None or get_origin(field.annotation) is not Literal:
        return ()
    return get_args(field.annotation)


def _tags(location: Location) -> str:
    """The types to choose from at *location*, as `usb, rtsp, file`."""
    models: list[type[BaseModel]] = [Config]
    for part in location:
        if isinstance(part, str):
            fields = [model.model_fields[part] for model in models if part in model.model_fields]
            models = [model for field in fields for model in _models_in(field.annotation)]
    return ", ".join(tag for model in models for tag in _types(model))


def _dotted(location: Location) -> str:
    return f"{'.'.join(map(str, location))}: " if location else ""


def _decapitalised(text: str) -> str:
    return text[:1].lower() + text[1:]
