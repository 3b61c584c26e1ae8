import json
from collections.abc import Iterator
from typing import Any

import pytest

from streamer.config import Config, parse_box, parse_config
from streamer.config.describe.schema import config_schema
from streamer.config.fleet import Fleet, parse_fleet
from streamer.errors import ConfigError
from tests.unit.config.json_schema import objections
from tests.unit.config.written import written

WRITTEN = written()
SCHEMA = json.loads(json.dumps(config_schema()))
PARTS: dict[str, dict[str, Any]] = {"Config": SCHEMA, **SCHEMA["$defs"]}
REST = {"source": {"type": "usb"}, "sinks": [{"type": "discard"}]}


def said(data: dict[str, Any]) -> list[str]:
    return list(objections(data, SCHEMA, SCHEMA))


def placeholders(data: Any) -> Iterator[str]:
    if isinstance(data, dict | list):
        for each in data.values() if isinstance(data, dict) else data:
            yield from placeholders(each)
    elif "${" in str(data):
        yield str(data)


def test_there_are_configurations_on_pages_and_in_files():
    assert {"webcam.yaml", "demo.yaml"} <= WRITTEN.keys()
    assert sum(place.startswith("docs/configuration.md") for place in WRITTEN) > 15


@pytest.mark.parametrize("place", WRITTEN)
def test_what_the_repository_shows_is_accepted_by_schema_and_program(place, monkeypatch):
    for name in ("STREAMER_SOURCE", "STREAMER_CLIP", "STREAMER_MODEL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("DOOR_CAMERA", "HALL_CAMERA"):
        monkeypatch.setenv(name, "rtsp://camera/stream")
    for name in ("CAMERA_PASSWORD", "MEDIA_PASSWORD"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("PAGE_PASSWORD", "long enough")
    assert said(WRITTEN[place]) == []
    if "fleet" in WRITTEN[place]:
        parse_fleet(WRITTEN[place], name=place)
    else:
        parse_box(WRITTEN[place], name=place)


@pytest.mark.parametrize(
    "part",
    [
        {"compose": {"background": "#00ff00"}},
        {"compose": {"background": "blur"}},
        {"compose": {"background": {"type": "image", "path": "beach.jpg"}}},
        {"compose": {"despill": None}},
        {"preprocess": {"roi": [0, 0, 640, 360]}},
        {"preprocess": {"roi": [[0, 0, 0.5, 1], [0.5, 0, 0.5, 1]]}},
        {"refine": {"band": [0.1, 0.9]}},
        {"model": {"providers": ["cuda", "cpu"], "threads": "auto"}},
        {"x-anchors": [1, {"a": "b"}]},
    ],
    ids=str,
)
def test_it_accepts_each_way_to_write_an_option(part):
    assert said(REST | part) == []
    parse_config(REST | part)


@pytest.mark.parametrize(
    "part",
    [
        {"compose": {"background": "blurr"}},
        {"compose": {"background": "image"}},
        {"compose": {"background": {"type": "image"}}},
        {"compose": {"background": {"type": "dim", "keep": 2}}},
        {"compose": {"backgroud": "blur"}},
        {"preprocess": {"roi": [0, 0, 1]}},
        {"preprocess": {"blur": {"size_px": 2}}},
        {"refine": {"invert": 1.5}},
        {"sinks": []},
        {"sinks": [{"type": "display", "layout": "gird"}]},
        {"sinks": [{"type": "display", "tile": [100, 3]}]},
        {"source": {"type": "usb", "fourcc": "MJP"}},
        {"source": {"fps": 3}},
    ],
    ids=str,
)
def test_it_refuses_what_the_program_refuses(part):
    assert said(REST | part)
    with pytest.raises(ConfigError):
        parse_config(REST | part)


@pytest.mark.parametrize(
    "part",
    [
        {"streams": {"door": {"source": {"url": "rtsp://camera/a"}}}},
        {"streams": {"door": {"source": {"type": "file", "path": "a.mp4"}}}},
        {"defaults": {"model": {"name": "isnet"}}, "streams": {"door": {}}},
        {"streams": {"door": {}}, "restart": {"max_attempts": 3}, "metrics": {}},
    ],
    ids=str,
)
def test_it_accepts_several_streams_whose_rest_is_in_the_defaults(part):
    data = {"defaults": {"source": {"type": "rtsp", "url": "rtsp://a/b"}}, **part}
    data["defaults"] = {"sinks": REST["sinks"], "source": {"type": "usb"}, **data["defaults"]}
    assert said(data) == []
    parse_box(data)


@pytest.mark.parametrize(
    "part",
    [
        {"streams": {"door": {"sauce": {}}}},
        {"streams": {"door": {"source": {"type": "rtsp", "urls": "a"}}}},
        {"streams": {"door": {}}, "restart": {"max": 3}},
        {"streams": {"door": {}}, "defaults": {"model": {"precision": "int9"}}},
        {"metrics": {"listen": "127.0.0.1:9464"}},
        {"streams": []},
    ],
    ids=str,
)
def test_it_refuses_several_streams_that_the_program_refuses(part):
    assert said(part)
    with pytest.raises(ConfigError):
        parse_box(part)


def test_every_property_is_described_in_one_line():
    for name, part in PARTS.items():
        for key, found in part["properties"].items():
            assert found["description"].strip(), f"{name}.{key}"
            assert "\n" not in found["description"], f"{name}.{key}"


def test_no_key_is_left_to_chance():
    for name, part in PARTS.items():
        assert part["additionalProperties"] is False, name
        assert part["description"], name
    keys = {*Config.model_fields, *Fleet.model_fields, "defaults"}
    assert PARTS["Config"]["properties"].keys() == keys


def test_alternatives_carry_the_name_of_their_type():
    sources = [each["$ref"].rpartition("/")[2] for each in SCHEMA["properties"]["source"]["oneOf"]]
    assert [PARTS[name]["title"] for name in sources] == [
        "usb",
        "rtsp",
        "file",
        "images",
        "synthetic",
    ]


def test_a_background_in_one_word_can_be_completed():
    alternatives = PARTS["ComposeConfig"]["properties"]["background"]["anyOf"]
    assert {"transparent", "blur", "pixelate", "dim"} in [
        set(each.get("enum", ())) for each in alternatives
    ]
