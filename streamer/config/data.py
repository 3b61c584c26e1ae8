"""The base of every part of a configuration: frozen data that refuses unknown keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator

from streamer.config.environment import as_wanted


class Data(BaseModel):
    """Plain data; the docstrings of its fields are their descriptions in the schema."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,  # it may be a password, or a URL with one
    )

    @model_validator(mode="before")
    @classmethod
    def _read_environment(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        fields = cls.model_fields
        return {
            key: as_wanted(value, fields[key].annotation) if key in fields else value
            for key, value in data.items()
        }


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models anywhere within a field's annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]
