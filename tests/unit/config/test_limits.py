"""Every number has limits, and what is beyond them is refused by its key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel

from streamer.config import Config, parse_config
from streamer.config.data import models_in
from streamer.errors import ConfigError

SYNTHETIC = {"type": "synthetic"}
FILE = {"type": "file", "path": "a.mp4"}
RTSP = {"type": "rtsp", "url": "rtsp://127.0.0.1/a"}
IMAGES = {"type": "images", "path": "a"}
RELAY = {"type": "rtsp", "serve": "rtsp://127.0.0.1:8554/a"}
FOLDER = {"type": "images", "path": "out"}
OWN_BOUNDS = {"RefineConfig.band", "PreprocessConfig.roi", "ContractConfig.std"}
"""Those that a validator has."""


def numbers(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[tuple[str, bool, bool]]:
    """Each number below *model*: where, and whether it has a least and a most."""
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        for low, high in bounds(field.annotation, tuple(field.metadata)):
            yield f"{model.__name__}.{name}", low, high
        for held in models_in(field.annotation):
            yield from numbers(held, seen)


def bounds(annotation: Any, limits: tuple[Any, ...]) -> Iterator[tuple[bool, bool]]:
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        found = [limit for part in more for limit in getattr(part, "metadata", ())]
        yield from bounds(inner, (*limits, *found))
    elif annotation in (int, float):
        yield (
            any(isinstance(limit, Ge | Gt) for limit in limits),
            any(isinstance(limit, Le | Lt) for limit in limits),
        )
    else:
        # The limits of a list are of its length.
        passed = () if get_origin(annotation) in (list, tuple) else limits
        for part in get_args(annotation):
            yield from bounds(part, passed)


def test_every_number_has_a_least_and_a_most():
    found = list(numbers(Config, set()))
    assert len(found) > 50
    assert {where for where, low, _ in found if not low} <= OWN_BOUNDS
    assert {where for where, _, high in found if not high} <= OWN_BOUNDS - {"ContractConfig.std"}


def complaint(key: str, value: Any, source: dict[str, Any], sink: dict[str, Any]) -> str:
    data = {"source": dict(source), "sinks": [dict(sink)], "model": {"name": "a.onnx"}}
    here: Any = data
    *way, last = key.split(".")
    for step in way:
        here = here[int(step)] if isinstance(here, list) else here.setdefault(step, {})
    here[last] = value
    with pytest.raises(ConfigError) as caught:
        parse_config(data, name="c")
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("model.threads", 100_000, "100000 is not 'auto' or at most 1024"),
        ("model.input_size", 1 << 20, "1048576 is not at most 4096"),
        ("model.contract.std", [1e-300, 1, 1], "1e-300 is not at least 1e-06"),
        ("model.contract.mean", [1e300, 1, 1], "is not at most 1000"),
        ("source.width", 99_999_999_999, "99999999999 is not at most 16384"),
        ("source.height", 10**30, "is not at most 16384"),
        ("source.fps", 1e-300, "1e-300 is not at least 0.0001"),
        ("source.fps", 1e300, "is not at most 1000"),
        ("source.fps", "0", "'0' is not a positive number"),
        ("source.fps", float("nan"), "nan is not a finite number"),
        ("source.fps", float("inf"), "inf is not a"),
        ("source.frames", 10**12, "is not at most 1000000000"),
        ("source.seed", -1, "-1 is not at least 0"),
        ("pipeline.ring_capacity", 1e8, "is not at most 256"),
        ("pipeline.sink_queue", 100_000_000, "is not at most 256"),
        ("pipeline.stall_s", 1e9, "is not at most 86400"),
        ("matting.refresh_s", 1e-300, "1e-300 is not at least 0.001"),
        ("preprocess.max_side", 10**9, "is not at most 16384"),
        ("preprocess.roi", [0, 0, 1e300, 1], "is not at most 1000000"),
        ("refine.keep_largest", 10**9, "is not at most 1000"),
        ("name", "x" * 5000, "is not at most 100 characters long"),
    ],
)
def test_a_number_out_of_reason_is_refused_by_its_key(key, value, expected):
    said = complaint(key, value, SYNTHETIC, {"type": "discard"})
    assert said.startswith(f"c: {key}")
    assert expected in said
    assert len(said) < 200


@pytest.mark.parametrize(
    ("source", "key", "value"),
    [
        (FILE, "speed", 1e-300),
        (FILE, "start_s", 1e300),
        (FILE, "duration_s", 1e300),
        (FILE, "fps", 1e-300),
        (IMAGES, "fps", 1e-300),
        (IMAGES, "seed", 10**30),
        (RTSP, "open_timeout_s", 1e-300),
        (RTSP, "read_timeout_s", 1e-300),
        (RTSP, "max_fps", 1e-300),
        ({"type": "usb"}, "device", 10**12),
        ({"type": "usb"}, "device", -1),
    ],
)
def test_so_it_is_in_every_source(source, key, value):
    assert complaint(f"source.{key}", value, source, FOLDER).startswith(f"c: source.{key}: ")


@pytest.mark.parametrize(
    ("sink", "key", "value"),
    [
        (RELAY, "bitrate_kbps", 10**12),
        (RELAY, "gop_s", 1e-300),
        (FOLDER, "limit", 10**12),
        (FOLDER, "limit_mb", 1e300),
        (FOLDER, "limit_age_s", 1e300),
        ({"type": "pipe"}, "wait_s", 1e300),
        ({"type": "virtual_camera"}, "fps", 1e-300),
    ],
)
def test_so_it_is_in_every_sink(sink, key, value):
    assert complaint(f"sinks.0.{key}", value, SYNTHETIC, sink).startswith(f"c: sinks.0.{key}: ")


def test_a_frame_that_is_made_here_has_no_more_pixels_than_memory_has_room_for():
    said = complaint("source", {**SYNTHETIC, "width": 16384, "height": 16384}, SYNTHETIC, FOLDER)
    assert said == "c: source: width 16384 times height 16384 is over 67108864 pixels"


def test_more_sinks_than_a_machine_serves_are_refused():
    with pytest.raises(ConfigError, match="sinks: takes at most 64 entries, not 65"):
        parse_config({"source": SYNTHETIC, "sinks": [{"type": "discard"}] * 65})


@pytest.mark.parametrize("device", [1001, "1001", "9" * 5000])
def test_the_index_of_a_camera_is_a_number_in_quotes_too(device):
    said = complaint("source.device", device, {"type": "usb"}, {"type": "discard"})
    assert "is not at most 1000" in said
    assert len(said) < 200
    data = {"source": {"type": "usb", "device": "3"}, "sinks": [{"type": "discard"}]}
    assert parse_config(data, name="c").source.device == 3
