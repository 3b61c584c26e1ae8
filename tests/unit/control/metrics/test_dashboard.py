"""The dashboard and the page about the metrics name those that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from streamer.config import parse_box
from streamer.config.metrics import MetricsConfig
from streamer.control.metrics.exporter import make_registry
from streamer.control.metrics.families import Families
from streamer.host import Host
from tests.peers.media_servers import free_port
from tests.unit.control.metrics.conftest import MakeBox
from tests.unit.control.metrics.dashboard import BOARD, queries
from tests.unit.control.metrics.hosting import Samples, samples

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
OURS = sorted(
    f"{family.name}{ {'counter': '_total', 'info': '_info'}.get(family.type, '') }"
    for family in Families()
)


@pytest.fixture
def exported(box: MakeBox) -> Samples:
    """All that a host exports which has each kind of thing to export."""
    relay = {"type": "rtsp", "serve": f"rtsp://127.0.0.1:{free_port()}/a", "encoder": "software"}
    live = {"realtime": True, "fps": 100}
    host = Host(box(door={"sinks": [relay], "source": live}, hall={}))
    registry = make_registry(host)
    seen: Samples = {}

    def look() -> bool:
        seen.update(samples(generate_latest(registry)))
        return False

    host.run(look)
    return seen


def test_every_query_names_metrics_and_labels_that_are_exported(exported: Samples) -> None:
    labels: dict[str, set[str]] = {}
    for name, pairs in exported:
        labels.setdefault(name, {"instance"}).update(label for label, _ in pairs)
    asked = queries()
    assert len(asked) > 20
    for query in asked:
        names = re.findall(r"\b(?:streamer|process)_\w+", query)
        assert names, query
        assert set(names) <= labels.keys(), query
        known = set.union(*(labels[name] for name in names))
        matched = re.findall(r"(\w+)=~", query)
        grouped = [
            label.strip()
            for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", query)
            for label in group.split(",")
        ]
        assert {*matched, *grouped} <= known, query


def test_all_metrics_stand_on_the_dashboard() -> None:
    everything = " ".join(queries())
    assert not [name for name in OURS if name not in everything]


def test_the_dashboard_can_be_imported() -> None:
    assert BOARD["schemaVersion"] >= 39
    names = [variable["name"] for variable in BOARD["templating"]["list"]]
    assert names[0] == "datasource"
    assert {"instance", "stream"} < set(names)
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    for held in _mappings(BOARD):
        if "uid" in held and held is not BOARD:
            assert held == {"type": "prometheus", "uid": "${datasource}"}
    for first, second in combinations((panel["gridPos"] for panel in BOARD["panels"]), 2):
        beside = first["x"] + first["w"] <= second["x"] or second["x"] + second["w"] <= first["x"]
        above = first["y"] + first["h"] <= second["y"] or second["y"] + second["h"] <= first["y"]
        assert beside or above, (first, second)


def _mappings(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        yield data
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            yield from _mappings(item)


def test_the_page_has_every_metric_and_no_other() -> None:
    kinds = dict(re.findall(r"^\| `(streamer_\w+)` \| (\w+) \|", PAGE, re.MULTILINE))
    assert sorted(kinds) == OURS
    for family in Families():
        (name,) = (one for one in OURS if one.startswith(family.name))
        kind = "gauge" if family.type == "info" else family.type
        assert kinds[name] == kind, name
    assert set(re.findall(r"streamer_[a-z_]+[a-z]", PAGE)) <= {
        *OURS,
        *(f"{name}_{suffix}" for name in OURS for suffix in ("bucket", "sum", "count")),
    }


def test_the_page_shows_a_configuration_that_is_valid() -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    alone = {"source": {"type": "usb"}, "sinks": [{"type": "discard"}]}
    assert parse_box(alone | yaml.safe_load(shown)).metrics == MetricsConfig()


def test_prometheus_is_told_the_default_address() -> None:
    given = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    (job,) = given["scrape_configs"]
    assert job["static_configs"] == [{"targets": [MetricsConfig().listen]}]
