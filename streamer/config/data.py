"""What every part of a configuration is: frozen data that knows no other keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Data(BaseModel):
    """Plain data; the docstrings of its fields are their descriptions in the schema."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,  # it may be a password, or a URL with one
    )
