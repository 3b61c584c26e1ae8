"""Several streams in one file, over shared defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.config import load_box, load_config, parse_box
from streamer.errors import ConfigError

CAMERA = {"type": "rtsp", "url": "rtsp://camera/stream", "transport": "udp"}
RELAY = {"type": "rtsp", "serve": "rtsp://127.0.0.1:8554/{stream}"}


def box(**changes: object) -> dict[str, object]:
    return {
        "defaults": {"source": CAMERA, "model": {"name": "isnet"}, "sinks": [RELAY]},
        "streams": {"door": {}, "hall": {}},
        **changes,
    }


def refused(data: dict[str, object], *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_box(data, overrides, name="box.yaml")
    return str(caught.value)


def test_streams_have_their_names_and_the_defaults() -> None:
    streams = parse_box(box()).streams
    assert [stream.name for stream in streams.values()] == ["door", "hall"]
    assert {stream.model.name for stream in streams.values()} == {"isnet"}
    served = [stream.sinks[0].serve.get_secret_value() for stream in streams.values()]
    assert served == ["rtsp://127.0.0.1:8554/door", "rtsp://127.0.0.1:8554/hall"]


def test_what_a_stream_says_goes_over_the_defaults_key_by_key() -> None:
    own = {"source": {"url": "rtsp://other/stream"}, "model": {"precision": "fp32"}}
    door = parse_box(box(streams={"door": own, "hall": {}})).streams["door"]
    assert door.source.url.get_secret_value() == "rtsp://other/stream"
    assert door.source.transport == "udp"
    assert (door.model.name, door.model.precision) == ("isnet", "fp32")


def test_a_source_of_another_type_takes_nothing_from_the_default() -> None:
    own = {"source": {"type": "file", "path": "a.mp4"}}
    door = parse_box(box(streams={"door": own, "hall": {}})).streams["door"]
    assert door.source.type == "file"


def test_lists_are_taken_whole() -> None:
    own = {"sinks": [{"type": "discard"}]}
    door = parse_box(box(streams={"door": own, "hall": {}})).streams["door"]
    assert [sink.type for sink in door.sinks] == ["discard"]


def test_several_are_started_again_and_one_alone_is_not() -> None:
    assert parse_box(box()).restart is not None
    assert parse_box(box(streams={"door": {}})).restart is not None
    alone = {"source": {"type": "usb"}, "sinks": [{"type": "discard"}]}
    assert parse_box(alone).restart is None
    assert parse_box({**alone, "restart": {"first_s": 2}}).restart.first_s == 2


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("streams.door.source.max_fps=0", "streams.door.source.max_fps: 0 is not a positive"),
        ("defaults.model.precision=x", "defaults.model.precision: 'x' is not one of auto"),
        ("streams.door.sauce=1", "streams.door: unknown key 'sauce': did you mean 'source'?"),
        ("streams.door=1", "streams.door: is not a mapping"),
        ("streams.door.name=a", "streams.door.name: the stream has its name already"),
        ("streams.a b.source.type=usb", "streams.a b: a name has letters"),
        ("streams=[]", "streams: is not a mapping"),
        ("streams={}", "streams: needs at least 1"),
        ("defaults=1", "defaults: is not a mapping"),
        ("defaults.name=a", "defaults.name: the streams have their names"),
        ("source.type=usb", "source: is of one stream: write it below defaults"),
        ("restart.first_s=100", "restart: max_s is below first_s"),
        ("restarts=1", "unknown key 'restarts': the keys are"),
        ("defaults.sinks.0.serve=rtsp://127.0.0.1/a", "sinks.0.serve: another sink has this path"),
        ("defaults.sinks.0={type: display}", "streams: one display at most"),
        ("defaults.sinks.0={type: pipe}", "streams: one pipe to stdout at most"),
        ("defaults.sinks.0={type: record, path: a.mp4}", "path: is that of streams.door.sinks.0"),
        ("defaults.sinks.0={type: images, path: a}", "path: is that of streams.door.sinks.0"),
    ],
)
def test_mistakes_are_told_where_they_are(override: str, said: str) -> None:
    message = refused(box(), override)
    assert message.startswith("box.yaml: ")
    assert said in message


def test_a_mistake_in_the_defaults_is_told_once() -> None:
    assert refused(box(), "defaults.model.precision=x").count("precision") == 1


def test_no_stream_writes_what_another_reads() -> None:
    film = {"type": "record", "path": "a.mp4"}
    streams = {"door": {"source": {"type": "file", "path": "a.mp4"}}, "hall": {"sinks": [film]}}
    assert "streams.hall.sinks.0.path: a.mp4 is what the stream reads" in refused(
        box(streams=streams)
    )


def test_two_ports_passwords_must_agree() -> None:
    own = {"sinks": [{"type": "rtsp", "serve": "rtsp://a:b@127.0.0.1:8554/door"}]}
    assert "shares its port with another sink" in refused(box(streams={"door": own, "hall": {}}))


def test_a_secret_in_a_wrong_file_is_not_repeated() -> None:
    own = {"source": {"type": "rtsp", "url": "rtsp://user:hunter2@"}}
    assert "hunter2" not in refused(box(streams={"door": own, "hall": {}}))


def test_a_file_of_several_is_not_taken_for_one(tmp_path: Path) -> None:
    file = tmp_path / "box.yaml"
    file.write_text("streams: {door: {source: {type: usb}, sinks: [{type: discard}]}}\n")
    assert list(load_box(file).streams) == ["door"]
    with pytest.raises(ConfigError, match="has several streams"):
        load_config(file)
