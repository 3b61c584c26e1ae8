"""A fleet's file: that of a box, with rules and needs beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamer.config import parse_box
from streamer.config.fleet import load_fleet, parse_fleet
from streamer.errors import ConfigError

DEFAULTS = {"source": {"type": "synthetic"}, "sinks": [{"type": "discard"}]}


def fleet(**changes: Any) -> dict[str, Any]:
    return {"defaults": DEFAULTS, "streams": {"door": {}, "hall": {}}, **changes}


def refused(data: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_fleet(data, name="fleet.yaml")
    return str(caught.value)


def test_streams_say_what_they_need_over_the_defaults() -> None:
    defaults = {**DEFAULTS, "needs": {"labels": {"site": "north"}, "weight": 2}}
    own = {"needs": {"labels": {"site": "south"}, "gpu": True}}
    streams = parse_fleet(fleet(defaults=defaults, streams={"door": own, "hall": {}})).streams
    assert streams["hall"].needs.labels == {"site": "north"}
    assert streams["door"].needs.labels == {"site": "south"}
    assert (streams["door"].needs.gpu, streams["door"].needs.weight) == (True, 2)


def test_its_streams_are_those_of_a_box_too() -> None:
    assert parse_box(fleet()).streams["door"].needs.labels == {}


def test_there_may_be_more_streams_than_one_box_has() -> None:
    many = {f"s{number}": {} for number in range(300)}
    assert len(parse_fleet(fleet(streams=many)).streams) == 300
    with pytest.raises(ConfigError):
        parse_box(fleet(streams=many))


def test_a_box_refuses_a_fleets_file_and_says_what_runs_it() -> None:
    with pytest.raises(ConfigError, match=r"streamer fleet run fleet\.yaml"):
        parse_box(fleet(fleet={}), name="fleet.yaml")


def test_it_is_read_from_a_file_with_changes(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text("fleet: {full: 0.7}\nstreams: {door: {source: {type: synthetic}, sinks: []}}")
    with pytest.raises(ConfigError, match=r"fleet\.yaml: streams\.door\.sinks"):
        load_fleet(path)
    path.write_text(
        "fleet: {full: 0.7}\nstreams: {door: {source: {type: synthetic}, sinks: [{type: discard}]}}"
    )
    found = load_fleet(path, ["fleet.late=0.1", "streams.door.source.fps=5"])
    assert (found.fleet.full, found.fleet.late) == (0.7, 0.1)
    assert found.streams["door"].source.fps == 5
    assert found.restart is not None, "a worker starts what failed again"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (fleet(fleet={"lease_s": 2, "renew_s": 1}), "fleet: lease_s is below 3 times renew_s"),
        (fleet(fleet={"lease": 5}), "fleet: unknown key 'lease'"),
        (fleet(fleet={"full": 0}), "fleet.full: 0"),
        (fleet(streams={}), "streams"),
        ({**DEFAULTS}, "streams: is missing: a fleet's streams have names"),
        (
            fleet(streams={"door": {"needs": {"labels": {"site": "nord ost"}}}}),
            "streams.door.needs.labels: 'nord ost': labels have letters",
        ),
        (fleet(streams={"door": {"needs": {"weight": 0}}}), "streams.door.needs.weight"),
    ],
)
def test_what_is_not_valid_is_refused_in_a_line(data: dict[str, Any], said: str) -> None:
    text = refused(data)
    assert text.startswith("fleet.yaml: ")
    assert said in text
    assert "\n" not in text


def test_both_pages_can_be_on_the_head_by_default() -> None:
    both = parse_fleet(fleet(web={}, fleet={"page": {}}))
    assert both.web is not None
    assert both.fleet.page is not None
    assert both.web.port != both.fleet.page.port
