"""Without a home folder: no HOME, and a user id that the password file does not know."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from streamer.config import ModelConfig, RecordSinkConfig
from streamer.core.home import expanded, home, lend_our_cache
from streamer.errors import ConfigError, ModelFetchError
from streamer.models.store.cache import cache_folder, can_be_written, own_copy
from streamer.models.store.registry import lookup
from streamer.models.store.weights import cached_path, fetch, models_on_disk, resolve

SETTINGS = ("HOME", "STREAMER_CACHE", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE")


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: object) -> None:
        raise KeyError

    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)


@pytest.mark.usefixtures("no_home")
def test_a_local_model_needs_none(make_model):
    path = make_model()
    found = resolve(ModelConfig(name=str(path)), on_gpu=False)
    assert found.path == path
    assert found.artefact is None


@pytest.mark.usefixtures("no_home")
def test_a_model_that_must_be_fetched_names_the_setting():
    with pytest.raises(ModelFetchError, match=r"no home folder here .*: set STREAMER_CACHE"):
        fetch(lookup("isnet"), "fp16")
    with pytest.raises(ModelFetchError, match="set STREAMER_CACHE"):
        cache_folder()


@pytest.mark.usefixtures("no_home")
def test_nothing_is_cached_then(tmp_path, monkeypatch):
    assert home() is None
    assert cached_path(lookup("isnet"), "fp16") is None
    assert "isnet" not in models_on_disk(on_gpu=False)


@pytest.mark.usefixtures("no_home")
def test_a_cache_that_is_named_serves(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


@pytest.mark.usefixtures("no_home")
def test_the_hubs_client_gets_a_folder_in_our_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", "")  # and put back after the test
    lend_our_cache()
    assert not home_of_the_hub()
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path))
    lend_our_cache()
    assert home_of_the_hub() == str(tmp_path / "huggingface")
    monkeypatch.setenv("HF_HOME", "elsewhere")
    lend_our_cache()
    assert home_of_the_hub() == "elsewhere"


def home_of_the_hub() -> str:
    import os

    return os.environ["HF_HOME"]


def test_with_a_home_the_hubs_own_folder_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "ours"))
    monkeypatch.setenv("HF_HOME", "")
    lend_our_cache()
    assert not home_of_the_hub()


@pytest.mark.usefixtures("no_home")
def test_a_cache_in_a_home_that_is_not_there_is_named_by_its_variable(monkeypatch):
    monkeypatch.setenv("STREAMER_CACHE", "~/ours")
    assert own_copy("a.onnx") is None
    with pytest.raises(ModelFetchError, match=r"^STREAMER_CACHE: ~/ours: there is no such home"):
        cache_folder()


@pytest.mark.usefixtures("no_home")
def test_a_path_in_the_home_folder_is_refused_with_a_way_out():
    assert expanded("a/b") == Path("a/b")
    with pytest.raises(ConfigError, match=r"^~/a: there is no such home folder here: write the"):
        expanded("~/a")
    with pytest.raises(ValueError, match=r"~/a\.mp4: there is no such home folder here"):
        RecordSinkConfig(type="record", path="~/a.mp4")


def test_a_home_folder_of_somebody_else_holds_no_models(monkeypatch, locked_home):
    monkeypatch.setenv("HOME", str(locked_home))
    for name in SETTINGS[1:]:
        monkeypatch.delenv(name, raising=False)
    assert cached_path(lookup("isnet"), "fp16") is None
    assert not can_be_written(cache_folder())
    with pytest.raises(ModelFetchError, match=r"cannot be written .*: set STREAMER_CACHE"):
        fetch(lookup("isnet"), "fp16")


@pytest.fixture
def locked_home():
    """A folder of mode 700 that is another user's; root becomes nobody meanwhile."""
    import os
    import tempfile

    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path(tempfile.mkdtemp())
    os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(0)
        folder.rmdir()
