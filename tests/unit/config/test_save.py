from __future__ import annotations

import errno
import io
import logging
import os
from pathlib import Path

import pytest

from streamer.config import load_config, parse_config, save_config
from streamer.config.models import Config
from streamer.errors import ConfigError

SETTINGS = {
    "name": "hall",
    "source": {"type": "file", "path": "a${b}.mp4", "realtime": True},
    "preprocess": {"roi": [[0.1, 0.1, 0.5, 0.5], [0.5, 0.5, 0.25, 0.25]], "max_side": 640},
    "model": {"name": "isnet", "providers": ["cpu"]},
    "matting": {"mode": "tracked"},
    "refine": {"threshold": 0.55, "band": [0.1, 0.9]},
    "compose": {"background": {"type": "image", "path": "beach.jpg"}, "despill": {}},
    "sinks": [
        {"type": "display", "layout": "grid", "tile": [320, 240]},
        {"type": "record", "path": "out/{stream}.mov", "layout": "cutout", "from_start": False},
    ],
}


def config_of(**changes) -> Config:
    settings = SETTINGS | {"source": {"type": "file", "path": "a$${b}.mp4", "realtime": True}}
    return parse_config(settings | changes)


def test_what_is_saved_loads_as_the_same(tmp_path: Path):
    config = config_of()
    path = save_config(config, tmp_path / "shots")
    assert path == tmp_path / "shots" / "hall.yaml"
    assert load_config(path) == config


def test_a_file_that_is_there_is_never_replaced(tmp_path: Path):
    (tmp_path / "hall.yaml").write_text("mine")
    paths = [save_config(config_of(), tmp_path).name for _ in range(2)]
    assert paths == ["hall-2.yaml", "hall-3.yaml"]
    assert (tmp_path / "hall.yaml").read_text() == "mine"


def test_secrets_become_variables_that_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    camera = {"type": "rtsp", "url": "rtsp://me:hush@cam.lan/1"}
    login = {"type": "rtsp", "url": "rtsp://cam.lan/2", "username": "me", "password": "hush"}
    for source in (camera, login):
        with caplog.at_level(logging.WARNING):
            path = save_config(config_of(source=source), tmp_path)
        assert "hush" not in path.read_text() + caplog.text
    assert "has no secrets in it: set STREAMER_SOURCE_URL" in caplog.text
    assert "set STREAMER_SOURCE_USERNAME, STREAMER_SOURCE_PASSWORD" in caplog.text
    with pytest.raises(ConfigError, match="STREAMER_SOURCE_USERNAME is not set"):
        load_config(path)
    monkeypatch.setenv("STREAMER_SOURCE_USERNAME", "me")
    monkeypatch.setenv("STREAMER_SOURCE_PASSWORD", "hush")
    assert load_config(path) == config_of(source=login)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://me:hu sh@cam.lan/1",
        "rtsp://cam.lan/1?password=hu sh",
        "http://cam.lan/1?pwd=hu sh&x=1",
        "rtsp://cam.lan/user=me_password=hu sh",
    ],
)
def test_a_blank_in_a_password_writes_none_of_it(tmp_path: Path, url: str):
    path = save_config(config_of(source={"type": "rtsp", "url": url}), tmp_path)
    assert "${STREAMER_SOURCE_URL}" in path.read_text()
    assert "hu sh" not in path.read_text()


def test_a_url_without_credentials_is_written(tmp_path: Path):
    config = config_of(source={"type": "rtsp", "url": "rtsp://cam.lan/1"})
    assert load_config(save_config(config, tmp_path)) == config


def test_a_folder_that_is_a_file_is_named(tmp_path: Path):
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(ConfigError, match="taken: is a file: choose another folder"):
        save_config(config_of(), tmp_path / "taken")


def test_where_the_disk_is_full_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def open_full(path: Path, *mode: str, **options: str) -> Full:
        path.touch(exist_ok=False)
        return Full()

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(ConfigError, match=r"hall\.yaml: cannot be written: No space left"):
        save_config(config_of(), tmp_path)
    assert list(tmp_path.iterdir()) == []
