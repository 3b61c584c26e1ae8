"""What tests of hosts share."""

from __future__ import annotations

from typing import Any

import pytest

from streamer.config import BoxConfig, parse_box
from tests.conftest import MakeModel
from tests.unit.host.hosting import MakeBox


@pytest.fixture
def make_box(make_model: MakeModel) -> MakeBox:
    model = {"name": str(make_model(size=32)), "providers": ["cpu"], "threads": 1}
    source = {"type": "synthetic", "width": 64, "height": 48, "realtime": True, "fps": 60}

    def make(**streams: dict[str, Any]) -> BoxConfig:
        defaults = {"model": model, "source": source, "sinks": [{"type": "discard"}]}
        restart = streams.pop("restart", {"first_s": 0.1, "max_s": 0.1})
        return parse_box({"defaults": defaults, "streams": streams, "restart": restart})

    return make
