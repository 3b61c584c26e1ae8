"""When a stream counts as ready, and what is said of one that does not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from streamer.control.metrics.readiness import unready_streams
from streamer.engine import SourceStatus
from streamer.host import HostStatus, StreamStatus


def said(state: str, age_s: float | None, *, warm: bool = True, began: bool = True) -> list[str]:
    source = SourceStatus("live", 0, 0.0, age_s)
    status = SimpleNamespace(counts=SimpleNamespace(source=source)) if began else None
    stream = StreamStatus("door", state, 0, "rtsp://camera/secret: refused", status)
    host = SimpleNamespace(
        status=lambda: HostStatus((stream,), 0.0, 0.0, None),
        stream=lambda name: SimpleNamespace(ready=warm) if began else None,
    )
    return unready_streams(host, 5.0)


@pytest.mark.parametrize(
    ("state", "age_s", "line"),
    [
        ("running", 4.9, None),
        ("running", 5.0, "door: no frame for 5.0 s"),
        ("running", 12.34, "door: no frame for 12.3 s"),
        ("running", None, "door: no frame yet"),
        ("waiting", 1.0, None),
        ("waiting", 60.0, "door: no frame for 60.0 s"),
        ("failed", 1.0, "door: failed, and is not started again"),
        ("ended", None, None),
        ("ended", 60.0, None),
        ("stopped", 60.0, None),
    ],
)
def test_the_newest_frame_decides(state: str, age_s: float | None, line: str | None) -> None:
    assert said(state, age_s) == ([] if line is None else [line])


def test_frames_without_a_model_are_not_enough() -> None:
    assert said("running", 0.1, warm=False) == ["door: its model is being loaded"]


def test_a_stream_that_was_never_begun_has_no_frame() -> None:
    assert said("starting", None, began=False) == ["door: no frame yet"]
