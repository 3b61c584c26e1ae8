"""What a stream needs of the machine that a fleet places it on."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from streamer.config.data import Data

_WORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")


class NeedsConfig(Data):
    """What a fleet's node must have for the stream; without a fleet it says nothing."""

    gpu: bool = False
    """Only nodes with a GPU."""
    labels: dict[str, str] = Field({})
    """Only nodes with these labels, such as `site: north` for a camera that others do not reach."""
    weight: float = Field(1.0, gt=0, le=100)
    """How much it is expected to cost, to other streams, until that is measured."""

    @field_validator("labels")
    @classmethod
    def _are_words(cls, labels: dict[str, str]) -> dict[str, str]:
        for word in (*labels, *labels.values()):
            if not _WORD.fullmatch(word):
                raise ValueError(
                    f"{word[:40]!r}: labels have letters, digits, ., _, / and - only, at most 63"
                )
        return labels
