"""
Pydantic's errors in the file author's terms: YAML path, value, and what was expected.

Messages repeat no URL, and no value of a key that may hold a credential.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from streamer.config.data import models_in
from streamer.config.limits import in_digits
from streamer.config.models import Config
from streamer.config.picture import COLOUR_PATTERN, COLOURS

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


def complaints(
    error: ValidationError, data: Mapping[str, Any], root: type[BaseModel] = Config
) -> list[str]:
    """
    One phrase for each thing wrong in *data*, as `source.fps: 0 is not a positive number`.

    Args:
        error: what `root.model_validate(data)` raised.
        data: plain data, as YAML gives it.
        root: the model of all *data*.
    """
    found: dict[Location, list[ErrorDetails]] = {}
    for detail in _of_the_nearest(error.errors(include_url=False), data):
        found.setdefault(_in_the_file(detail, data), []).append(detail)
    # If an alternative of a union fits except for an entry within it, only the entry is reported.
    deepest = {
        location: details
        for location, details in found.items()
        if not all(detail["type"] == "literal_error" for detail in details)
        or not any(len(o) > len(location) and o[: len(location)] == location for o in found)
    }
    return [_phrase(location, details, data, root) for location, details in deepest.items()]


def _of_the_nearest(details: list[ErrorDetails], data: Any) -> list[ErrorDetails]:
    """Of a union's errors, only those of the alternatives that have the fewest."""
    members = [_members(detail, data) for detail in details]
    counts = Counter(place for places in members for place in places)

    def nearest(place: Location) -> bool:
        others = (n for other, n in counts.items() if other[:-1] == place[:-1])
        return counts[place] == min(others)

    return [
        detail
        for detail, places in zip(details, members, strict=True)
        if all(nearest(place) for place in places)
    ]


def _members(detail: ErrorDetails, data: Any) -> list[Location]:
    """The prefixes of the error's location that end in the name of a union's member."""
    parts = detail["loc"]
    in_file = _steps(detail, data)
    return [parts[: n + 1] for n in range(len(parts)) if n not in in_file]


def _in_the_file(detail: ErrorDetails, data: Any) -> Location:
    """The error's location in the file, which has no names of a union's members."""
    location = [detail["loc"][n] for n in _steps(detail, data)]
    if _is_a_short_list(detail):
        location.pop()
    if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
        location.append("type")
    return tuple(location)


def _steps(detail: ErrorDetails, data: Any) -> list[int]:
    """Indices of the location's parts that *data* has; also of the last if only that is missing."""
    steps: list[int] = []
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
        steps.append(number)
    return steps


def _is_a_short_list(detail: ErrorDetails) -> bool:
    """Whether an entry of a fixed-length list is missing."""
    return detail["type"] == "missing" and isinstance(detail["loc"][-1], int)


def _phrase(
    location: Location,
    details: list[ErrorDetails],
    data: Mapping[str, Any],
    root: type[BaseModel],
) -> str:
    first = details[0]
    context = first.get("ctx", {})
    match first["type"]:
        case "missing" if _is_a_short_list(first):
            length = len(first["input"])
            return f"{_dotted(location)}needs {length + len(details)} entries, not {length}"
        case "missing":
            return f"{_dotted(location)}is missing"
        case "extra_forbidden" | "invalid_key":
            return f"{_dotted(location[:-1])}{_unknown_key(location, data, root)}"
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
        case "too_long":
            wanted = "needs" if context["field_type"] == "Tuple" else "takes at most"
            sizes = f"{context['max_length']} entries, not {context['actual_length']}"
            return f"{_dotted(location)}{wanted} {sizes}"
    choices = [choice for detail in details for choice in _choices(detail)]
    expected = [_expected(detail) for detail in details if not _choices(detail)]
    if None in expected:
        return f"{_dotted(location)}{_decapitalised(first['msg'])}"
    unique = list(dict.fromkeys(filter(None, [_one_of(choices), *expected])))
    value = first["input"]
    near = _nearest(value, choices) if isinstance(value, str) else ""
    if value is None and location[-1] in ("background", "colour"):
        near = ": put quotes around a colour that begins with #"
    elif first["type"] == "string_type" and isinstance(value, int | float | date):
        near = ": put it in quotes, or YAML reads something else than you wrote"
    return f"{_dotted(location)}{_shown(value, location)} is not {' or '.join(unique)}{near}"


def _expected(detail: ErrorDetails) -> str | None:
    """What was expected, worded to follow `… is not `; None: use pydantic's own message."""
    kind = detail["type"]
    context = detail.get("ctx", {})
    match kind:
        case "greater_than":
            bound = context["gt"]
            return "a positive number" if bound == 0 else f"above {in_digits(bound)}"
        case "greater_than_equal":
            bound = context["ge"]
            given = detail["input"]
            smallest = 0 < bound < 1 and (float(given) if isinstance(given, str) else given) <= 0
            return "a positive number" if smallest else f"at least {in_digits(bound)}"
        case "less_than":
            return f"below {in_digits(context['lt'])}"
        case "less_than_equal":
            return f"at most {in_digits(context['le'])}"
        case "string_too_short":
            return f"at least {context['min_length']} characters long"
        case "string_too_long":
            return f"at most {context['max_length']} characters long"
        case "string_pattern_mismatch" if context["pattern"] == COLOUR_PATTERN:
            return f"one of {', '.join(COLOURS)}"
        case "string_pattern_mismatch":
            return f"of the form {context['pattern']}"
    return _EXPECTED.get(kind)


def _one_of(choices: Sequence[str]) -> str:
    """*choices*, worded to follow `… is not `."""
    return (
        f"one of {', '.join(choices)}" if len(choices) > 1 else "".join(f"'{c}'" for c in choices)
    )


def _choices(detail: ErrorDetails) -> list[str]:
    """The allowed choices; pydantic lists them as `'a', 'b' or 'c'`."""
    context = detail.get("ctx", {})
    if detail["type"] == "unknown_name":
        return list(context["names"])
    if detail["type"] == "literal_error":
        return re.findall(r"'([^']*)'", str(context["expected"]))
    return []


def _shown(value: object, location: Location) -> str:
    """*value* as a message may repeat it."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 256:  # Python refuses to print the longest
        return f"a number of {value.bit_length()} bits"
    if "://" in str(value) or _is_secret(location):
        return "the value"
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"


def _is_secret(location: Location) -> bool:
    """Whether the value may be a credential, going by the names of the keys."""
    secrets = ("url", "serve", "publish", "username", "password", "token", "secret")
    return any(name in secrets for name in location)


def _unknown_key(location: Location, data: Mapping[str, Any], root: type[BaseModel]) -> str:
    key = str(location[-1])
    keys = sorted(
        {key for model in _models_at(location[:-1], data, root) for key in model.model_fields}
    )
    near = _nearest(key, keys)
    return f"unknown key '{key}'{near or ': the keys are ' + ', '.join(keys)}"


def _nearest(word: str, words: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f": did you mean '{near[0]}'?" if near else ""


def _models_at(
    location: Location, data: Mapping[str, Any], root: type[BaseModel]
) -> list[type[BaseModel]]:
    """The models that are allowed at *location*; only one if `type:` names it."""
    models = [root]
    here: Any = data
    for part in location:
        here = here[part]
        if isinstance(part, int):
            named = models
        else:
            fields = [model.model_fields[part] for model in models if part in model.model_fields]
            named = [model for field in fields for model in models_in(field.annotation)]
        tag = here.get("type") if isinstance(here, Mapping) else None
        models = [model for model in named if tag in _types(model)] or named
    return models


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
            models = [model for field in fields for model in models_in(field.annotation)]
    return ", ".join(tag for model in models for tag in _types(model))


def _dotted(location: Location) -> str:
    return f"{'.'.join(map(str, location))}: " if location else ""


def _decapitalised(text: str) -> str:
    return text[:1].lower() + text[1:]
