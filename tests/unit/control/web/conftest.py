"""Pages of streams on a tiny model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamer.config import BoxConfig
from tests.conftest import MakeModel
from tests.unit.control.web.hosting import Page, make_box, running_page

MakeBox = Callable[..., BoxConfig]


@pytest.fixture
def box(make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeBox:
    """A maker of configurations; what pages keep goes to a cache of the test's own."""
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    model = str(make_model(size=32))

    def make(**streams: Any) -> BoxConfig:
        process = streams.pop("process", {})
        return make_box(model, streams or {"door": {}}, **process)

    return make


@pytest.fixture
def page(box: MakeBox) -> Iterator[Page]:
    """The page of one live stream, `door`."""
    with running_page(box()) as page:
        yield page
