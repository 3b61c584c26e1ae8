"""A maker of configurations whose streams share a tiny model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from streamer.config import BoxConfig
from tests.conftest import MakeModel
from tests.unit.control.metrics.hosting import make_box

MakeBox = Callable[..., BoxConfig]


@pytest.fixture
def box(make_model: MakeModel) -> MakeBox:
    model = str(make_model(size=32))

    def make(metrics: dict[str, Any] | None = None, **streams: dict[str, Any]) -> BoxConfig:
        return make_box(model, streams, metrics={"listen": "127.0.0.1:0", **(metrics or {})})

    return make
