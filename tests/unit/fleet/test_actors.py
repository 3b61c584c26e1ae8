"""What the controller's actor does beside its controller, without a Ray that runs."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from streamer.config.fleet import Fleet
from streamer.errors import ConfigError
from streamer.fleet.controller import Controller
from tests.unit.fleet.test_controller import fleet_of

pytest.importorskip("ray")
from streamer.fleet import actors, processes


@contextmanager
def actor_of(fleet: Fleet) -> Iterator[Any]:
    """An actor as its constructor makes it, but for what needs Ray."""
    actor: Any = actors.ControllerActor.__new__(actors.ControllerActor)
    actor._fleet, actor._controller = fleet, Controller(fleet)
    actor._targets = None
    with ExitStack() as actor._page:
        yield actor


def test_another_page_needs_another_start_of_the_fleet() -> None:
    with (
        actor_of(fleet_of("a")) as actor,
        pytest.raises(ConfigError, match=r"fleet\.page: is fixed while the fleet runs"),
    ):
        actor.want(fleet_of("a", {"page": {"listen": "127.0.0.1:8081"}}))


def test_a_page_that_cannot_be_served_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "get_node_ip_address", lambda: "10.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        stack = ExitStack()
        actor = stack.enter_context(actor_of(fleet_of("a", {"page": {"listen": listen}})))
        with stack:
            actor._show()
            assert (status := actor.status()).page == ""
            assert "fleet.page.listen" in status.trouble
            assert "the port is taken" in status.trouble
            taken.close()
            actor._show()
            assert (status := actor.status()).page == f"http://{listen}"
            assert status.trouble == ""


def test_targets_that_cannot_be_written_are_told_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "prometheus"
    targets = folder / "streamer.json"

    def refuse(path: Path, data: bytes) -> None:
        raise PermissionError(13, "Permission denied", f"{path}.{secrets.token_hex(4)}.part")

    with actor_of(fleet_of("a", {"targets": str(targets)})) as actor:
        with monkeypatch.context() as patch:
            patch.setattr(actors, "write_whole", refuse)
            actor._tell_prometheus()
            actor._tell_prometheus()
        assert caplog.messages == [f"fleet.targets: {targets}: Permission denied"]
        actor._tell_prometheus()
        assert json.loads(targets.read_text()) == []
        elsewhere = tmp_path / "elsewhere.json"
        actor._fleet = fleet_of("a", {"targets": str(elsewhere)})
        actor._tell_prometheus()
        assert json.loads(elsewhere.read_text()) == []
