"""The authorities that FFmpeg is told to trust."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from types import ModuleType

import pytest

from streamer.core.tls import authorities


@pytest.fixture
def no_system_file(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ssl.DefaultVerifyPaths(None, None, "", "", "", "")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)


def test_the_configured_file_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ca.pem").touch()
    assert authorities("~/ca.pem") == str(tmp_path / "ca.pem")
    with pytest.raises(FileNotFoundError, match=r"tls_ca: ~/none\.pem: no such file"):
        authorities("~/none.pem")


def test_the_systems_file_serves_where_none_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "system.pem").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    assert authorities(None) == str(tmp_path / "system.pem")


@pytest.mark.usefixtures("no_system_file")
def test_certifis_file_serves_where_the_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "certifi.pem").touch()
    certifi = ModuleType("certifi")
    certifi.where = lambda: str(tmp_path / "certifi.pem")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "certifi", certifi)
    assert authorities(None) == str(tmp_path / "certifi.pem")


@pytest.mark.usefixtures("no_system_file")
def test_a_system_without_any_is_told_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "certifi", None)
    with pytest.raises(FileNotFoundError, match="name one, or pip install certifi"):
        authorities(None)
