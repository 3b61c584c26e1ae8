"""Fetching from the Hub, by its real client against a server on loopback."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.models.store.hub import _translated
from streamer.models.store.registry import HubSource
from streamer.serving.rtsp import TlsFiles
from tests.peers.fetching import Fetch, entry, fetch_alone
from tests.peers.hub import Behaviour, HubServer
from tests.peers.installed import require
from tests.peers.loopback import MuteServer, closed_url
from tests.unit.serving.rtsp.certificates import make_certificate

REPO, REVISION, PATH = "acme/matter", "a" * 40, "onnx/model.onnx"
CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MODEL = entry(HubSource(REPO, REVISION), PATH, len(CONTENT), SHA256)
LITTLE = CONTENT[:100_000]
SMALL = entry(HubSource(REPO, REVISION), PATH, len(LITTLE), hashlib.sha256(LITTLE).hexdigest())


def hub(behaviour: Behaviour | None = None) -> HubServer:
    return HubServer(REPO, REVISION, PATH, behaviour or Behaviour(CONTENT))


def weights_left(home: Path) -> list[str]:
    """The files of any size that the Hub's cache holds, besides locks and tags."""
    blobs = (home / "hf").rglob("*")
    return [file.name for file in blobs if file.is_file() and file.stat().st_size > 300]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of half a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    require("mount", "mount")
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("this container may not mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_the_first_fetch_downloads_into_the_hubs_own_cache(tmp_path: Path) -> None:
    with hub() as server:
        outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
    assert outcome.error is None
    assert outcome.path is not None
    assert outcome.path.read_bytes() == CONTENT
    assert outcome.path.is_relative_to(tmp_path / "hf" / "hub")


def test_progress_ends_at_the_whole_and_nothing_is_printed(tmp_path: Path) -> None:
    with hub() as server:
        outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
    assert outcome.progress[-1] == (len(CONTENT), len(CONTENT), "testmodel")
    assert outcome.printed == ""


def test_the_licence_is_announced_with_the_first_download_only(tmp_path: Path) -> None:
    with hub() as server:
        first = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
        second = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
    assert "licence MIT: free for any use" in first.log
    assert second.log == ""


def test_a_cached_model_needs_no_server(tmp_path: Path) -> None:
    with hub() as server:
        first = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
        asked = len(server.requests)
        again = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
        assert len(server.requests) == asked
    gone = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
    assert first.path == again.path == gone.path
    assert gone.error is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_model_says_what_to_accept_and_how_to_log_in(tmp_path: Path, status: int) -> None:
    with hub(Behaviour(CONTENT, token="let-me-in", refusal=status)) as server:
        outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
    assert outcome.error is not None
    assert outcome.error.startswith("ModelFetchError: testmodel: ")
    for advice in (str(status), f"{server.url}/{REPO}", "hf auth login", "HF_TOKEN", "local .onnx"):
        assert advice in outcome.error


def test_a_token_opens_a_gated_model(tmp_path: Path) -> None:
    with hub(Behaviour(CONTENT, token="let-me-in")) as server:
        outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url, HF_TOKEN="let-me-in")
    assert outcome.error is None


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    absent = entry(HubSource(REPO, REVISION), "onnx/other.onnx", len(CONTENT), SHA256)
    with hub() as server:
        outcome = fetch_alone(absent, tmp_path, HF_ENDPOINT=server.url)
    assert outcome.error is not None
    assert "has no onnx/other.onnx" in outcome.error


def test_wrong_bytes_are_refused_and_not_kept_and_the_next_try_downloads(tmp_path: Path) -> None:
    with hub(Behaviour(CONTENT[::-1])) as server:
        outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
        assert outcome.error is not None
        assert outcome.error.startswith("ModelCorrupt: testmodel: ")
        assert SHA256 in outcome.error
        assert hashlib.sha256(CONTENT[::-1]).hexdigest() in outcome.error
        assert weights_left(tmp_path) == []
        server.behaviour.content = CONTENT
        assert fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url).error is None


def test_a_cached_file_that_was_damaged_is_fetched_again_with_a_warning(tmp_path: Path) -> None:
    with hub() as server:
        first = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
        assert first.path is not None
        first.path.write_bytes(CONTENT[:-1] + b"?")
        again = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
    assert again.path == first.path
    assert first.path.read_bytes() == CONTENT
    assert "is damaged" in again.log


def test_a_transfer_that_breaks_once_is_completed(tmp_path: Path) -> None:
    with hub(Behaviour(CONTENT, broken_at=300_000)) as server:
        outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
    assert outcome.path is not None
    assert outcome.path.read_bytes() == CONTENT


def test_a_transfer_that_always_breaks_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with hub(Behaviour(CONTENT, broken_at=300_000, always_broken=True)) as server:
        outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
    assert outcome.error is not None
    assert outcome.error.startswith("ModelFetchError: testmodel: cannot be fetched")
    assert weights_left(tmp_path) == []


def test_two_processes_at_once_share_one_download(tmp_path: Path) -> None:
    with hub(Behaviour(CONTENT, pause_s=0.3)) as server:
        both = [Fetch(MODEL, tmp_path, None, HF_ENDPOINT=server.url) for _ in range(2)]
        first, second = (one.outcome() for one in both)
        assert first.error is None
        assert second.error is None
        assert first.path == second.path
        assert server.count(f"GET /{REPO}") == 1


def test_a_full_disk_is_named_before_the_download(small_disk: Path, tmp_path: Path) -> None:
    with hub() as server:
        outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url, HF_HOME=str(small_disk))
        assert server.requests == []
    assert outcome.error is not None
    assert outcome.error.startswith(f"ModelFetchError: {small_disk / 'hub'}: no room for 1 MB")


def test_a_disk_that_fills_up_meanwhile_is_named(small_disk: Path, tmp_path: Path) -> None:
    understated = entry(HubSource(REPO, REVISION), PATH, 1000, SHA256)
    with hub() as server:
        outcome = fetch_alone(
            understated, tmp_path, HF_ENDPOINT=server.url, HF_HOME=str(small_disk)
        )
        assert server.count(f"GET /{REPO}") == 1
    assert outcome.error is not None
    assert outcome.error.startswith(f"ModelFetchError: {small_disk / 'hub'}: no room")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
def test_a_limit_on_a_files_size_counts_as_no_room(tmp_path: Path) -> None:
    with hub() as server:
        outcome = fetch_alone(MODEL, tmp_path, max_file=100_000, HF_ENDPOINT=server.url)
    assert outcome.error is not None
    assert "no room" in outcome.error
    assert weights_left(tmp_path) == []


def test_a_refused_connection_is_an_error_at_once(tmp_path: Path) -> None:
    url = closed_url()
    outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=url)
    assert_unreachable(outcome.error, url)
    assert outcome.seconds < 10


def test_a_name_that_does_not_resolve_is_an_error_within_15_s(tmp_path: Path) -> None:
    outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT="http://hub.invalid")
    assert_unreachable(outcome.error, "http://hub.invalid")
    assert outcome.seconds < 15


def test_a_hub_that_never_answers_is_an_error_within_15_s(tmp_path: Path) -> None:
    with MuteServer() as server:
        outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
        assert_unreachable(outcome.error, server.url)
    assert outcome.seconds < 15


def assert_unreachable(error: str | None, url: str) -> None:
    assert error is not None
    assert error.startswith(f"ModelFetchError: testmodel: cannot be fetched from {url}/{REPO}")
    assert "check the network" in error
    assert "local .onnx" in error
    assert "\n" not in error


def test_offline_mode_is_named_as_the_reason(tmp_path: Path) -> None:
    with hub() as server:
        outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url, HF_HUB_OFFLINE="1")
        assert server.requests == []
    assert outcome.error is not None
    assert "HF_HUB_OFFLINE" in outcome.error


def test_offline_mode_is_enough_for_a_cached_model(tmp_path: Path) -> None:
    with hub() as server:
        fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
        outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url, HF_HUB_OFFLINE="1")
    assert outcome.error is None


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """One that nobody knows; the Hub's folder `tls` has its key, too."""
    return make_certificate(tmp_path).cert


@pytest.fixture
def secure_hub(tmp_path: Path, certificate: Path) -> HubServer:
    server = hub()
    server.encrypt(TlsFiles(certificate, tmp_path / "key.pem"))
    return server


def test_a_private_authority_is_told_which_setting_makes_it_known(
    tmp_path: Path, secure_hub: HubServer, certificate: Path
) -> None:
    with secure_hub as server:
        outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url)
        assert outcome.error is not None
        assert "certificate verify failed" in outcome.error
        assert "set SSL_CERT_FILE to a PEM file" in outcome.error
        assert "proxy" not in outcome.error
        told = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url, SSL_CERT_FILE=str(certificate))
        assert told.error is None


def test_a_setting_that_names_no_file_is_told(tmp_path: Path, secure_hub: HubServer) -> None:
    with secure_hub as server:
        outcome = fetch_alone(MODEL, tmp_path, HF_ENDPOINT=server.url, SSL_CERT_FILE="/nowhere")
    assert outcome.error is not None
    assert "SSL_CERT_FILE is /nowhere, which is no file" in outcome.error


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_cache_on_a_disk_that_is_read_only_is_named(
    small_disk: Path, tmp_path: Path, below: str
) -> None:
    remount(small_disk)
    home = small_disk / below
    with hub(Behaviour(LITTLE)) as server:
        outcome = fetch_alone(SMALL, tmp_path, HF_ENDPOINT=server.url, HF_HOME=str(home))
        ours = fetch_alone(SMALL, tmp_path, HF_ENDPOINT=server.url, STREAMER_CACHE=str(home))
    way_out = "cannot be written (Read-only file system): set STREAMER_CACHE and HF_HOME"
    assert outcome.error is not None
    assert outcome.error.startswith(f"ModelFetchError: {home / 'hub'}: {way_out}")
    assert ours.error is not None
    assert ours.error.startswith(f"ModelFetchError: {home / 'locks'}: {way_out}")


def test_what_is_in_a_read_only_cache_is_used(small_disk: Path, tmp_path: Path) -> None:
    with hub(Behaviour(LITTLE)) as server:
        env = {"HF_ENDPOINT": server.url, "HF_HOME": str(small_disk)}
        assert fetch_alone(SMALL, tmp_path, **env).error is None
        remount(small_disk)
        again = fetch_alone(SMALL, tmp_path, **env, STREAMER_CACHE=str(small_disk / "ours"))
    assert again.error is None
    assert again.path is not None


def remount(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def test_a_firewalls_refusal_is_not_taken_for_the_disks() -> None:
    error = OSError("no connection")
    error.__cause__ = PermissionError(1, "Operation not permitted")  # of connect(2): names no file
    file, source = MODEL.file("fp32"), HubSource(REPO, REVISION)
    said = str(_translated(error, "testmodel", file, source, Path("/cache/hub")))
    assert said.startswith("testmodel: cannot be fetched from ")
    assert "Operation not permitted" in said


def test_a_cache_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = fetch_alone(MODEL, tmp_path, STREAMER_CACHE=str(tmp_path / "file"))
    assert outcome.error is not None
    assert f"{tmp_path / 'file' / 'locks'}: cannot be written" in outcome.error
