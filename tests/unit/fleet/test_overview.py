"""The fleet's page and its API, served for a controller over simulated nodes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict

import httpx2 as httpx
import pytest

from benchmarks.fleet_sim import SimulatedFleet
from streamer.config.web import WebConfig
from streamer.errors import ConfigError
from streamer.fleet.controller import Controller
from streamer.fleet.overview import serving_overview
from streamer.fleet.overview_routes import Snapshots
from tests.unit.fleet.test_controller import fleet_of, started
from tests.waiting import PATIENCE_S, wait_for

ANY = "127.0.0.1:0"
PASSWORD = "correct horse battery"


def controller_of(sim: SimulatedFleet) -> Controller:
    assert sim.controller is not None
    return sim.controller


@pytest.fixture
def sim() -> SimulatedFleet:
    """Six streams that run on three nodes."""
    return started(fleet_of("a b c d e f"))


@contextmanager
def shown(sim: SimulatedFleet, config: WebConfig | None = None) -> Iterator[httpx.Client]:
    """A browser at the page, with a session if there is no password."""
    serving = serving_overview(controller_of(sim), config or WebConfig(listen=ANY))
    with serving as url, closing(httpx.Client(base_url=url, timeout=PATIENCE_S)) as client:
        take_token(client, client.get("/api/session"))
        yield client


def take_token(client: httpx.Client, answer: httpx.Response) -> None:
    if (token := answer.json()["token"]) is not None:
        client.headers["X-CSRF-Token"] = token


def test_the_page_and_its_files_are_served(sim: SimulatedFleet) -> None:
    with shown(sim) as client:
        for path, kind in (
            ("/", "text/html"),
            ("/page.css", "text/css"),
            ("/fleet.css", "text/css"),
            ("/fleet.js", "text/javascript"),
            ("/session.js", "text/javascript"),
            ("/favicon.svg", "image/svg+xml"),
        ):
            answer = client.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith(kind)
            assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "/api/fleet" in client.get("/api/openapi.json").json()["paths"]


def test_its_files_are_small(sim: SimulatedFleet) -> None:
    with shown(sim) as client:
        client.headers["Accept-Encoding"] = "identity"
        own = [client.get(path).content for path in ("/", "/fleet.css", "/fleet.js")]
    assert sum(map(len, own)) < 30_000


def test_the_fleet_is_told_as_the_command_tells_it(sim: SimulatedFleet) -> None:
    sim.nodes["n1"].worker.addresses["web"] = "http://10.0.0.1:8080"
    sim.nodes["n2"].worker.trouble = "web.listen: 127.0.0.1:8080: the port is taken"
    sim.run(2)
    with shown(sim) as client:
        told = client.get("/api/fleet").json()
        assert told == json.loads(json.dumps(asdict(controller_of(sim).status())))
    nodes = {node["name"]: node for node in told["nodes"]}
    assert nodes["n1"]["addresses"] == {"web": "http://10.0.0.1:8080"}
    assert "the port is taken" in nodes["n2"]["trouble"]
    assert {stream["state"] for stream in told["streams"]} == {"running"}
    assert all(stream["why"] and stream["node"] in nodes for stream in told["streams"])


def test_an_answer_is_compressed_for_those_who_take_that(sim: SimulatedFleet) -> None:
    with shown(sim) as client:
        zipped = client.get("/api/fleet")
        plain = client.get("/api/fleet", headers={"Accept-Encoding": "identity"})
        assert zipped.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert zipped.json()["streams"] == plain.json()["streams"]


def test_a_node_is_drained_and_undrained(sim: SimulatedFleet) -> None:
    with shown(sim) as client:
        assert client.get("/api/fleet").json()["nodes"][0]["streams"] > 0
        assert client.post("/api/fleet/nodes/n1/drain").status_code == 204
        assert client.get("/api/fleet").json()["nodes"][0]["draining"] is True
        sim.run(20)

        def is_empty() -> bool:
            node = client.get("/api/fleet").json()["nodes"][0]
            return bool(node["name"] == "n1" and node["streams"] == 0)

        wait_for(is_empty)
        assert client.post("/api/fleet/nodes/n1/undrain").status_code == 204
        assert client.get("/api/fleet").json()["nodes"][0]["draining"] is False


def test_a_name_with_a_slash_or_a_space_is_one_name(sim: SimulatedFleet) -> None:
    controller = controller_of(sim)
    asked: list[tuple[str, bool]] = []

    def drain(node: str, *, draining: bool = True) -> None:
        asked.append((node, draining))

    controller.drain = drain  # type: ignore[method-assign]
    with shown(sim) as client:
        client.post("/api/fleet/nodes/10.0.0.7%2Fgpu1/drain")
        client.post("/api/fleet/nodes/hall%20%231/undrain")
    assert asked == [("10.0.0.7/gpu1", True), ("hall #1", False)]


@pytest.mark.parametrize("verb", ["drain", "undrain"])
def test_an_unknown_node_is_not_found(sim: SimulatedFleet, verb: str) -> None:
    with shown(sim) as client:
        answer = client.post(f"/api/fleet/nodes/nobody/{verb}")
        assert answer.status_code == 404
        assert answer.json() == {"key": None, "why": "there is no node nobody with a worker"}


def test_draining_needs_the_token_of_the_page(sim: SimulatedFleet) -> None:
    with shown(sim) as client:
        del client.headers["X-CSRF-Token"]
        answer = client.post("/api/fleet/nodes/n1/drain")
        assert answer.status_code == 403
        assert "X-CSRF-Token" in answer.json()["why"]
        assert client.get("/api/fleet/nodes/n1/drain").status_code == 405
    assert not any(node.draining for node in controller_of(sim).status().nodes)


def test_pages_of_other_sites_and_other_names_are_refused(sim: SimulatedFleet) -> None:
    with shown(sim) as client:
        for headers in (
            {"Origin": "http://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Host": "evil.example"},
        ):
            assert client.get("/api/fleet", headers=headers).status_code == 403
            answer = client.post("/api/fleet/nodes/n1/drain", headers=headers)
            assert answer.status_code == 403
    assert not any(node.draining for node in controller_of(sim).status().nodes)


def test_a_password_keeps_everything_but_the_form(sim: SimulatedFleet) -> None:
    with shown(sim, WebConfig(listen=ANY, password=PASSWORD)) as client:
        assert client.get("/").status_code == 200
        assert client.get("/api/fleet").status_code == 401
        assert client.post("/api/fleet/nodes/n1/drain").status_code == 401
        wrong = client.post("/api/session", json={"password": "wrong horse battery"})
        assert wrong.status_code == 401
        take_token(client, client.post("/api/session", json={"password": PASSWORD}))
        assert client.get("/api/fleet").status_code == 200
        assert client.post("/api/fleet/nodes/n1/drain").status_code == 204
        client.delete("/api/session")
        assert client.get("/api/fleet").status_code == 401
        program = {"Authorization": f"Bearer {PASSWORD}"}
        assert client.get("/api/fleet", headers=program).status_code == 200


def test_five_wrong_passwords_are_enough(sim: SimulatedFleet) -> None:
    with shown(sim, WebConfig(listen=ANY, password=PASSWORD)) as client:
        statuses = [
            client.post("/api/session", json={"password": "wrong horse battery"}).status_code
            for _ in range(6)
        ]
    assert statuses == [401] * 5 + [429]


def test_a_port_that_is_taken_is_named_with_its_key(sim: SimulatedFleet) -> None:
    with shown(sim) as client:
        taken = WebConfig(listen=f"127.0.0.1:{client.base_url.port}")
        with (
            pytest.raises(ConfigError, match=r"fleet\.page\.listen: .*: the port is taken"),
            serving_overview(controller_of(sim), taken),
        ):
            pass


def test_nothing_is_left_of_it(sim: SimulatedFleet) -> None:
    before = set(threading.enumerate())
    with shown(sim) as client:
        client.get("/api/fleet")
        assert any(it.name == "streamer-fleet-page" for it in threading.enumerate())
    wait_for(lambda: set(threading.enumerate()) <= before)


def test_a_file_name_that_is_no_text_is_told(sim: SimulatedFleet) -> None:
    sim.nodes["n1"].worker.trouble = "/films/caf\udce9.mp4: no such file"
    sim.run(2)
    with shown(sim) as client:
        assert "no such file" in client.get("/api/fleet").json()["nodes"][0]["trouble"]


def test_however_many_ask_the_controller_is_asked_twice_a_second_at_most(
    sim: SimulatedFleet,
) -> None:
    snapshots = Snapshots(controller_of(sim), sim.clock)
    first = snapshots.latest()
    sim.run(0.4)
    assert snapshots.latest() is first
    sim.run(0.1)
    second = snapshots.latest()
    assert second is not first
    snapshots.forget()
    assert snapshots.latest() is not second
