"""The values that an option takes, in words, from its type and its limits."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo

from streamer.config.limits import in_digits


def described_values(field: FieldInfo) -> str:
    """In Markdown, such as ``whole number from 1 to 16`` or `` `auto` or number above 0``."""
    if field.title:
        return field.title
    for each in field.metadata:
        if isinstance(each, BeforeValidator):
            return _words(each.json_schema_input_type, ())
    return _words(field.annotation, field.metadata)


def _words(annotation: Any, limits: Sequence[Any], plural: bool = False) -> str:
    s = "s" * plural
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        within = [limit for part in parts[1:] for limit in getattr(part, "metadata", ())]
        title = next((part.title for part in parts[1:] if getattr(part, "title", None)), None)
        return f"{title}{s}" if title else _words(parts[0], [*within, *limits], plural)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in parts)
    if origin is list:
        size = _size(limits)
        joint = "of " if size and get_origin(parts[0]) is Literal else ""
        return f"list{s} of {size}{joint}{_words(parts[0], (), plural=True)}"
    if origin is tuple:
        return f"list{s} of {len(parts)} {_words(parts[0], (), plural=True)}"
    if parts:
        names = [value for part in parts if get_origin(part) is Literal for value in get_args(part)]
        others = [p for p in parts if p is not NoneType and get_origin(p) is not Literal]
        said = [", ".join(f"`{name}`" for name in names)] if names else []
        said += [_words(part, limits, plural) for part in others]
        return " or ".join(dict.fromkeys(said))
    if annotation is bool:
        return "`true`, `false`"
    if annotation is int:
        return f"whole number{s}{_range(limits)}"
    if annotation is float:
        return f"number{s}{_range(limits)}"
    if annotation is SecretStr:
        return f"text{s}, never printed"
    if issubclass(annotation, BaseModel):
        return f"mapping{s}"
    return f"text{s}{_form(limits)}"


def _range(limits: Sequence[Any]) -> str:
    """The *limits* of a number, worded to follow its type."""
    low = next((limit.ge for limit in limits if isinstance(limit, Ge)), None)
    high = next((limit.le for limit in limits if isinstance(limit, Le)), None)
    if low is not None and high is not None:
        return f" from {in_digits(low)} to {in_digits(high)}"
    said = []
    for limit in limits:
        match limit:
            case Gt(gt=bound):
                said.append(f"above {in_digits(bound)}")
            case Ge(ge=bound):
                said.append(f"at least {in_digits(bound)}")
            case Lt(lt=bound):
                said.append(f"below {in_digits(bound)}")
            case Le(le=bound):
                said.append(f"at most {in_digits(bound)}")
    return f" {', '.join(said)}" if said else ""


def _size(limits: Sequence[Any]) -> str:
    """The number of entries of a list, worded to stand before them."""
    low = next((limit.min_length for limit in limits if isinstance(limit, MinLen)), None)
    high = next((limit.max_length for limit in limits if isinstance(limit, MaxLen)), None)
    if high is not None:
        return f"{low or 0} to {high} "
    return f"{low} or more " if low else ""


def _form(limits: Sequence[Any]) -> str:
    """The *limits* of a text, worded to follow its type."""
    low = next((limit.min_length for limit in limits if isinstance(limit, MinLen)), None)
    high = next((limit.max_length for limit in limits if isinstance(limit, MaxLen)), None)
    pattern = next((limit.pattern for limit in limits if getattr(limit, "pattern", None)), None)
    said = ""
    if high is not None:
        said += f" of {high}" if low == high else f" of at most {high}"
        said += " characters"
    return f"{said} of the form `{pattern}`" if pattern else said
