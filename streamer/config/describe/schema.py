"""The JSON schema of a configuration file, with which editors complete and explain its keys."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from streamer.config.box import BoxConfig
from streamer.config.fleet import Fleet

_PART = "InPart"
"""What names of parts end in whose keys may be missing."""
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> dict[str, Any]:
    """
    The schema of a file of one stream or of several, in plain data.

    Every built-in property has a description: its own, or that of the part it holds. The title of
    each alternative is its `type:`. A `${VARIABLE}` in place of a number is valid in a file, but
    not by the schema.
    """
    for kind in (BoxConfig, Fleet):
        kind.model_rebuild(force=True)  # kinds of sources and sinks may have come since
    box = Fleet.model_json_schema(schema_generator=_ForEditors)
    parts: dict[str, dict[str, Any]] = box["$defs"]
    shared = {name: _in_part(part) for name, part in parts.items()}
    schema = parts.pop("Config")
    parts |= {f"{name}{_PART}": part for name, part in shared.items()}
    for part in (*parts.values(), schema):
        part["description"] = _one_line(part["description"])
        properties = part["properties"]
        if "const" in properties.get("type", {}):
            part["title"] = properties["type"]["const"]
            properties["type"]["description"] = part["description"]
        else:
            del part["title"]
        for key in properties:
            properties[key] = _described(properties[key], parts)
    del schema["required"]
    for key in Fleet.model_fields.keys() - {"streams"}:
        schema["properties"][key] = _described(box["properties"][key], parts)
    in_part = {"$ref": f"#/$defs/Config{_PART}"}
    schema["properties"] |= {
        "defaults": {"description": "What streams have unless they say otherwise.", **in_part},
        "streams": {
            "description": "Several streams, by name.",
            "type": "object",
            "additionalProperties": in_part,
        },
    }
    return {
        "$schema": _DIALECT,
        "$defs": parts,
        **schema,
        "anyOf": [{"required": ["source", "sinks"]}, {"required": ["streams"]}],
        "title": "streamer",
        "patternProperties": {"^x-": {"description": "A place for anchors; ignored."}},
    }


def _in_part(part: Any) -> Any:
    """*part* of a schema as a stream over defaults may write it: with keys missing."""
    if isinstance(part, list):
        return [_in_part(each) for each in part]
    if not isinstance(part, dict):
        return part
    made = {key: _in_part(value) for key, value in part.items() if key != "required"}
    if "$ref" in made:
        made["$ref"] += _PART
    if "oneOf" in made:  # without a type, several may fit
        made["anyOf"] = made.pop("oneOf")
    return made


class _ForEditors(GenerateJsonSchema):
    """Leaves out what editors have no use for: made-up titles, and a keyword of OpenAPI's."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        made = super().tagged_union_schema(schema)
        made.pop("discriminator", None)
        return made


def _described(found: dict[str, Any], parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The property with a description, if need be that of the part it holds."""
    if "description" not in found:
        holders = [found, *found.get("anyOf", ())]
        held = next((holder["$ref"] for holder in holders if "$ref" in holder), None)
        if held is None:
            return found  # another package's, without a description
        found = {**found, "description": parts[held.rpartition("/")[2]]["description"]}
    if "$ref" in found:
        # An editor would write the whole default out; the options within have their own.
        found.pop("default", None)
    return {**found, "description": _one_line(found["description"])}


def _one_line(text: str) -> str:
    return " ".join(text.split())
