"""A real Prometheus scrapes a running host, and every panel of the dashboard has data."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import yaml

from streamer.control.metrics import serving_metrics
from streamer.host import Host
from tests.conftest import MakeModel
from tests.peers.installed import require
from tests.peers.media_servers import free_port
from tests.unit.control.metrics.dashboard import queries
from tests.unit.control.metrics.hosting import FRAMES, LIVE, get, make_box, running
from tests.waiting import wait_for

CONFIGURATION = Path(__file__).parents[2] / "deploy/prometheus/prometheus.yml"


class Prometheus:
    """A server of its own, at a port of its own; `prometheus` gives one."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.url = url
        self._process = process
        self._log = log

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that *expression* gives now, each with `metric` and `value`."""
        asked = urllib.parse.urlencode({"query": expression})
        answer = json.loads(get(f"{self.url}/api/v1/query?{asked}").body)
        assert answer["status"] == "success", (expression, answer)
        return answer["data"]["result"]

    def value(self, expression: str) -> float | None:
        """The value of the only series that *expression* gives; None without one."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if len(found) == 1 else None

    def says_something(self, expression: str) -> bool:
        """Whether *expression* gives a number now; NaN is none."""
        return any(isfinite(float(series["value"][1])) for series in self.query(expression))

    def is_ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            return get(f"{self.url}/-/ready").status == 200
        except URLError:
            return False


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """One that scrapes *target*, `host:port`, once a second, as the shipped file says otherwise."""
    require("prometheus", "prometheus")
    told = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    told["global"]["scrape_interval"] = "1s"
    told["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(told), encoding="utf-8")
    address, log = f"127.0.0.1:{free_port()}", folder / "prometheus.log"
    command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*command, f"--web.listen-address={address}"], stdout=out, stderr=out, cwd=folder
        ) as process,
    ):
        server = Prometheus(f"http://{address}", process, log)
        try:
            wait_for(server.is_ready)
            yield server
        finally:
            process.terminate()


@pytest.mark.timeout(300)
def test_prometheus_scrapes_a_host_and_the_dashboard_shows_it(
    make_model: MakeModel, tmp_path: Path
) -> None:
    relay = {"type": "rtsp", "serve": f"rtsp://127.0.0.1:{free_port()}/a", "encoder": "software"}
    streams = {
        "door": {"sinks": [{"type": "discard"}, relay], **LIVE},
        "hall": {"source": {"realtime": True, "fps": 20}},
    }
    box = make_box(str(make_model(size=32)), streams, metrics={"listen": "127.0.0.1:0"})
    host = Host(box)
    with serving_metrics(host, box.metrics) as url:
        assert url is not None
        target = url.removeprefix("http://")
        with prometheus(tmp_path, target) as server, running(host):
            wait_for(lambda: server.value(f'up{{job="streamer", instance="{target}"}}') == 1)
            emitted = 'streamer_frames_emitted_total{stream="hall"}'
            wait_for(lambda: server.value(emitted) == FRAMES)
            assert host.report()["streams"]["hall"]["frames"]["emitted"] == FRAMES
            # What was scraped between two looks at the report lies between their counts.
            looked_s = time.time()
            before = host.report()["streams"]["door"]["frames"]["emitted"]
            emitted = 'streamer_frames_emitted_total{stream="door"}'
            wait_for(lambda: (server.value(f"timestamp({emitted})") or 0) > looked_s)
            scraped = server.value(emitted)
            assert scraped is not None
            assert before <= scraped <= host.report()["streams"]["door"]["frames"]["emitted"]
            for query in queries(window="20s"):
                wait_for(lambda query=query: server.says_something(query))
