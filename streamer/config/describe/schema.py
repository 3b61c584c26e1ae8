"""The JSON schema of a configuration file, with which editors complete and explain its keys."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from streamer.config.models import Config

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> dict[str, Any]:
    """
    The schema, in plain data.

    Every built-in property has a description: its own, or that of the part it holds. The title of
    each alternative is its `type:`. A `${VARIABLE}` in place of a number is valid in a file, but
    not by the schema.
    """
    schema = Config.model_json_schema(schema_generator=_ForEditors)
    parts: dict[str, dict[str, Any]] = schema["$defs"]
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
    return {
        "$schema": _DIALECT,
        **schema,
        "title": "streamer",
        "patternProperties": {"^x-": {"description": "A place for anchors; ignored."}},
    }


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
