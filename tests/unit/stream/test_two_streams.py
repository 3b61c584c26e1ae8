"""Two streams of one process: one model, their own names, and no frame lost to each other."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from streamer import Pipeline
from streamer.config import parse_config
from streamer.errors import StageFailed
from tests.conftest import MakeModel


def test_one_session_two_names_and_one_that_fails_costs_the_other_no_frame(
    make_model: MakeModel, tmp_path: Path, opened: list[Path]
) -> None:
    model = {"name": str(make_model(size=32)), "providers": ["cpu"], "threads": 1}
    source = {"type": "synthetic", "width": 64, "height": 48, "frames": 90}

    def stream(name: str) -> Pipeline:
        sinks = [{"type": "images", "path": str(tmp_path / name)}]
        return Pipeline.from_config(
            parse_config({"name": name, "source": source, "model": model, "sinks": sinks})
        )

    with stream("hall") as hall, stream("yard") as yard:
        assert len(opened) == 1
        # The folder is a file by the time that the yard's sink wants to write into it.
        (tmp_path / "yard").write_text("in the way")
        hall.start()
        yard.start()
        names = {thread.name for thread in threading.enumerate()}
        assert {"streamer-hall-matting", "streamer-hall-sinks[0] images"} <= names
        with pytest.raises(StageFailed, match="sinks"):
            yard.join()
        hall.join()
    assert (hall.status().stream, yard.status().stream) == ("hall", "yard")
    report = hall.report()
    assert report["frames"]["emitted"] == 90
    assert not any(report["drops"].values())
    assert len(list((tmp_path / "hall").iterdir())) == 90
