"""What a JSON schema makes of data: the keywords that ours uses, and no others (2020-12)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

TYPES: dict[str, type | tuple[type, ...]] = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "null": type(None),
    "number": (int, float),
    "object": dict,
    "string": str,
}
SAYS_NOTHING = {"$defs", "$schema", "default", "description", "format", "title", "writeOnly"}


def objections(data: Any, schema: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    """What *schema*, a part of *root*, has against *data*; ValueError at an unknown keyword."""
    for keyword, value in schema.items():
        yield from _of_one(keyword, value, data, schema, root)


def _of_one(
    keyword: str, value: Any, data: Any, schema: dict[str, Any], root: dict[str, Any]
) -> Iterator[str]:
    def against(data: Any, schema: dict[str, Any]) -> list[str]:
        return list(objections(data, schema, root))

    number = data if isinstance(data, int | float) and not isinstance(data, bool) else None
    match keyword:
        case "$ref":
            here: Any = root
            for step in value.removeprefix("#/").split("/"):
                here = here[step]
            yield from against(data, here)
        case "type":
            if not isinstance(data, TYPES[value]) or (
                isinstance(data, bool) and value in ("integer", "number")
            ):
                yield f"{data!r} is no {value}"
        case "const":
            if data != value:
                yield f"{data!r} is not {value!r}"
        case "enum":
            if data not in value:
                yield f"{data!r} is none of {value}"
        case "anyOf":
            if all(against(data, each) for each in value):
                yield f"{data!r} fits nothing of {value}"
        case "oneOf":
            if (fitting := sum(not against(data, each) for each in value)) != 1:
                yield f"{data!r} fits {fitting} of {value}"
        case "properties":
            for key in value.keys() & (data if isinstance(data, dict) else {}):
                yield from (f"{key}: {said}" for said in against(data[key], value[key]))
        case "additionalProperties":
            patterns = schema.get("patternProperties", ())
            known = schema.get("properties", {}).keys()
            for key in (data if isinstance(data, dict) else {}).keys() - known:
                if value is not False:
                    yield from (f"{key}: {said}" for said in against(data[key], value))
                elif not any(re.search(pattern, key) for pattern in patterns):
                    yield f"{key} is unknown"
        case "patternProperties":
            for pattern, each in value.items():
                for key in data if isinstance(data, dict) else ():
                    yield from against(data[key], each) if re.search(pattern, key) else ()
        case "required":
            for key in set(value) - (data.keys() if isinstance(data, dict) else set(value)):
                yield f"{key} is missing"
        case "items":
            rest = data[len(schema.get("prefixItems", ())) :] if isinstance(data, list) else ()
            for each in rest:
                yield from against(each, value)
        case "prefixItems":
            for each, part in zip(data if isinstance(data, list) else (), value, strict=False):
                yield from against(each, part)
        case "minItems" | "maxItems":
            if isinstance(data, list) and (len(data) - value) * (-1) ** (keyword == "maxItems") < 0:
                yield f"{len(data)} entries"
        case "minLength" | "maxLength":
            if isinstance(data, str) and (len(data) - value) * (-1) ** (keyword == "maxLength") < 0:
                yield f"{data!r} has {len(data)} characters"
        case "pattern":
            if isinstance(data, str) and not re.search(value, data):
                yield f"{data!r} is not like {value}"
        case "minimum" if number is not None and number < value:
            yield f"{data} < {value}"
        case "maximum" if number is not None and number > value:
            yield f"{data} > {value}"
        case "exclusiveMinimum" if number is not None and number <= value:
            yield f"{data} <= {value}"
        case "exclusiveMaximum" if number is not None and number >= value:
            yield f"{data} >= {value}"
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            pass
        case _ if keyword not in SAYS_NOTHING:
            raise ValueError(f"{keyword} is not a keyword that editors need know")
