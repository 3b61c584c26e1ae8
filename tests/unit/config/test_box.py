"""Several streams in one file, over shared defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.streams import FPS, SECONDS, rate
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
        ("streams=[]", "streams: is not a mapping"),
        ("streams={}", "streams: needs at least 1"),
        ("defaults=1", "defaults: is not a mapping"),
        ("defaults.name=a", "defaults.name: the streams have their names"),
        ("source.type=usb", "source: is of one stream: write it below defaults"),
        ("name=a", "box.yaml: name: the streams have their names below streams"),
        ("restart.first_s=100", "restart: max_s is below first_s"),
        ("restarts=1", "unknown key 'restarts': the keys are"),
        ("defaults.sinks.0.serve=rtsp://127.0.0.1/a", "sinks.0.serve: another sink has this path"),
        ("defaults.sinks.0={type: display}", "streams: one display at most"),
        ("defaults.sinks.0={type: pipe}", "streams: one pipe to stdout at most"),
        ("defaults.sinks.0={type: record, path: a.mp4}", "path: is that of streams.door.sinks.0"),
        ("defaults.sinks.0={type: images, path: a}", "path: is that of streams.door.sinks.0"),
        (
            "defaults.sinks.0={type: pipe, path: a.raw}",
            "streams.hall.sinks.0.path: is that of streams.door.sinks.0 too: name another pipe",
        ),
        (
            "defaults.sinks.0={type: pipe, path: '{stream}.raw'}",
            "name another pipe, {stream} is not filled in here",
        ),
        (
            "defaults.sinks.0={type: virtual_camera, device: /dev/video10}",
            "streams.hall.sinks.0.device: is that of streams.door.sinks.0 too: name another",
        ),
    ],
)
def test_mistakes_are_told_where_they_are(override: str, said: str) -> None:
    message = refused(box(), override)
    assert message.startswith("box.yaml: ")
    assert said in message


def test_a_name_has_letters_and_no_dots() -> None:
    assert "streams.a b: a name has letters" in refused(box(streams={"a b": {}}))


@pytest.mark.parametrize(
    ("door", "hall"),
    [
        ("rtsp://me:hunter2@server/live", "rtsp://me:hunter2@server/live"),
        ("RTSP://me:hunter2@SERVER/live", "rtsp://me:hunter2@server/live/"),
        ("rtsp://[me:hunter2@server/live", "rtsp://[me:hunter2@server/live"),
    ],
)
def test_no_two_streams_publish_to_one_url(door: str, hall: str) -> None:
    streams = {
        name: {"sinks": [{"type": "rtsp", "publish": url}]}
        for name, url in (("door", door), ("hall", hall))
    }
    message = refused(box(streams=streams))
    assert message == (
        "box.yaml: streams.hall.sinks.0.publish: is that of streams.door.sinks.0 too: "
        "put {stream} in it"
    )


def test_one_stream_publishes_to_a_url_once() -> None:
    door = {"sinks": [{"type": "rtsp", "publish": "rtsp://server/live"}] * 2}
    assert "sinks.1.publish: is that of sinks.0 too: publish to another path" in refused(
        box(streams={"door": door})
    )


@pytest.mark.parametrize(
    "sink",
    [
        {"type": "rtsp", "publish": "rtsp://server/{stream}"},
        {"type": "virtual_camera"},
    ],
    ids=str,
)
def test_streams_share_a_sink_that_is_another_for_each(sink: dict[str, str]) -> None:
    defaults = {"source": CAMERA, "sinks": [sink]}
    assert len(parse_box(box(defaults=defaults)).streams) == 2


def test_pipes_and_virtual_cameras_of_their_own_go_together() -> None:
    def sinks(number: int) -> list[dict[str, str]]:
        return [
            {"type": "pipe", "path": f"{number}.raw"},
            {"type": "virtual_camera", "device": f"/dev/video{number}"},
        ]

    streams = {"door": {"sinks": sinks(10)}, "hall": {"sinks": sinks(11)}}
    assert len(parse_box(box(streams=streams)).streams) == 2


@pytest.mark.parametrize("override", ["streams.dor.source.max_fps=1", "streams.dor={}"])
def test_an_override_makes_no_stream(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_box(box(), [override])
    assert str(caught.value) == (
        f"--set {override.partition('=')[0]}: there is no such stream: the streams are door, hall: "
        "did you mean 'door'?"
    )


def test_of_many_streams_some_are_named() -> None:
    data = box(streams={f"s{n}": {} for n in range(100)})
    with pytest.raises(ConfigError, match=r"the streams are s0, .*, s11, …$"):
        parse_box(data, ["streams.other.model.name=isnet"])


def test_overrides_may_write_all_streams_anew() -> None:
    given = ["streams={door: {}, face: {}}", "streams.face.source.max_fps=5"]
    assert parse_box(box(), given).streams["face"].source.max_fps == 5


def test_an_override_does_not_reach_into_a_list_of_the_defaults() -> None:
    given = "streams.door.sinks.0.labels=true"
    with pytest.raises(ConfigError) as caught:
        parse_box(box(), [given])
    assert str(caught.value) == (
        "--set streams.door.sinks.0.labels: the list is in defaults: set defaults.sinks.0.labels, "
        "or the whole list streams.door.sinks"
    )
    own = ["streams.door.sinks=[{type: discard}]", given]
    assert parse_box(box(), own).streams["door"].sinks[0].labels


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("defaults.model.precision=x", "defaults.model.precision: 'x' is not one of"),
        ("defaults.sauce=1", "defaults: unknown key 'sauce': did you mean 'source'?"),
        ("defaults.model.sise=1", "defaults.model: unknown key 'sise'"),
        ("defaults.model.contract.inptu=a", "defaults.model.contract: unknown key 'inptu'"),
        ("defaults.sinks.0.srve=a", "defaults.sinks.0: unknown key 'srve'"),
        ("defaults.source.max_fps=0", "defaults.source.max_fps: 0 is not a positive number"),
        ("defaults.source.type=rstp", "defaults.source.type: 'rstp' is not one of"),
    ],
)
def test_a_mistake_in_the_defaults_is_told_there_and_once(override: str, said: str) -> None:
    own = {"source": {"url": "rtsp://other/stream"}, "model": {"name": "isnet"}}
    for door in ({}, own):
        message = refused(box(streams={"door": door, "hall": {}}), override)
        assert message.startswith(f"box.yaml: {said}")
        assert ";" not in message
        assert "streams." not in message


def test_a_key_of_the_defaults_that_fits_no_stream_is_told_once() -> None:
    defaults = {"source": {"fourcc": "MJPG"}, "sinks": [RELAY]}
    streams = {"door": {"source": CAMERA}, "hall": {"source": {"type": "file", "path": "a.mp4"}}}
    message = refused(box(defaults=defaults, streams=streams))
    assert message.startswith("box.yaml: defaults.source: unknown key 'fourcc'")
    assert message.count("fourcc") == 1


def test_what_is_missing_is_missing_in_a_source_of_another_type() -> None:
    defaults = {"source": {"type": "images", "path": "a"}, "sinks": [RELAY]}
    message = refused(box(defaults=defaults, streams={"door": {"source": {"type": "file"}}}))
    assert message == "box.yaml: streams.door.source.path: is missing"


def test_a_mistake_that_a_stream_makes_itself_too_is_its_own() -> None:
    streams = {"door": {"model": {"sise": 2}}, "hall": {"model": {"sise": 3}}}
    message = refused(box(streams=streams), "defaults.model.sise=1")
    assert message.count("sise") == 2
    assert message.startswith("box.yaml: streams.door.model: unknown key 'sise'")
    assert "; streams.hall.model: unknown key 'sise'" in message


@pytest.mark.parametrize(
    ("frames", "took", "expected"),
    [(1.0, 1, FPS), (1.0, 2, FPS / 2), (0.5, 1, FPS / 2), (0.0, 1, 0)],
)
def test_the_benchmark_of_streams_counts_slowness_and_losses(
    frames: float, took: float, expected: float
) -> None:
    count = round(SECONDS * FPS * frames)
    times = [7 + n * took / FPS / (frames or 1) for n in range(count)]
    assert rate(times) == pytest.approx(expected, rel=0.01)


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
