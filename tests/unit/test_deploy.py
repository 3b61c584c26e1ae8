"""What is in `deploy/` fits the program, and is as closed as docs/deployment.md says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamer.config import PipelineConfig, RtspSinkConfig, load_box
from streamer.config.metrics import MetricsConfig

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd" / "streamer.service"
DOCKER = DEPLOY / "docker"
DRAIN_S = 2
STUCK_S = DRAIN_S + 2 * PipelineConfig().stall_s
"""What a stop takes at worst: frames in work, then a stuck stage, then a stuck sink."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze here: install systemd"
)


def unit() -> dict[str, list[str]]:
    """The values of each key of the service, in order."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def installed(tmp_path) -> Path:
    """The unit with a program that is there: systemd looks for it."""
    text = UNIT.read_text(encoding="utf-8")
    path = tmp_path / UNIT.name
    path.write_text(text.replace("/opt/streamer/bin/streamer", sys.executable), encoding="utf-8")
    return path


def systemd_analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@needs_systemd
def test_systemd_accepts_the_unit(installed):
    verified = systemd_analyze("verify", "--man=no", installed)
    assert verified.returncode == 0, verified.stderr
    assert UNIT.name not in verified.stderr


@needs_systemd
def test_the_service_is_hardly_exposed(installed):
    judged = systemd_analyze("security", "--offline=true", "--threshold=20", installed)
    if "unrecognized option" in judged.stderr:
        pytest.skip("systemd is older than 250")
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_a_stop_may_take_what_it_takes_at_worst():
    assert float(unit()["TimeoutStopSec"][0]) > STUCK_S
    grace = compose()["services"]["streamer"]["stop_grace_period"]
    assert float(grace.removesuffix("s")) > STUCK_S


def test_a_reload_checks_the_file_that_the_service_runs():
    run, (check, signal) = unit()["ExecStart"][0].split(), unit()["ExecReload"]
    assert check.split() == [run[0], "config", "check", run[2]]
    assert signal.split() == ["kill", "-HUP", "$MAINPID"]


def compose() -> dict[str, Any]:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))


SERVICES = compose()["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_do_little_and_is_reached_from_this_machine_only(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert "network_mode" not in service
    assert "privileged" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_a_pinned_image_and_files_that_are_there(name):
    service = SERVICES[name]
    assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"])
    mounted = [volume.split(":")[0] for volume in service["volumes"]]
    for path in mounted:
        assert not path.startswith(".") or (DOCKER / path).exists(), path


def test_the_container_is_given_every_variable_that_its_configuration_names():
    box = DOCKER / "streamer" / "box.yaml"
    named = re.findall(r"\$\{(\w+)", box.read_text(encoding="utf-8"))
    assert set(named) <= SERVICES["streamer"]["environment"].keys()


def stages() -> dict[str, str]:
    """The instructions of each stage of the Dockerfile."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    return dict(
        re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", text, re.MULTILINE | re.DOTALL)
    )


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_an_image_runs_as_somebody_and_is_asked_where_metrics_are_by_default(target):
    stage = stages()[target]
    assert [int(user) > 0 for user in re.findall(r"^USER (\d+)$", stage, re.MULTILINE)] == [True]
    assert f"http://{MetricsConfig().listen}/healthz" in stage


def test_what_images_are_built_from_is_there():
    text = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    for pattern in re.findall(r"^!(.+)$", text, re.MULTILINE):
        assert list(ROOT.glob(pattern)), pattern


@pytest.mark.parametrize("path", [ROOT / "config" / "box.yaml", DOCKER / "streamer" / "box.yaml"])
def test_a_box_has_two_cameras_metrics_and_a_relay_each(path, monkeypatch):
    monkeypatch.setenv("DOOR_CAMERA", "rtsp://camera/door")
    monkeypatch.setenv("HALL_CAMERA", "rtsp://camera/hall")
    monkeypatch.setenv("MEDIA_PASSWORD", "secret")
    box = load_box(path)
    assert list(box.streams) == ["door", "hall"]
    assert box.metrics is not None
    assert box.metrics.port == MetricsConfig().port
    for name, stream in box.streams.items():
        (relay,) = stream.sinks
        assert isinstance(relay, RtspSinkConfig)
        address = relay.serve or relay.publish
        assert address is not None
        assert address.get_secret_value().endswith(f":8554/{name}")
