"""What `model` stands for: names, precisions, local files, and `auto` falling back."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest

from streamer.config import ContractConfig, ModelConfig
from streamer.errors import ModelError, ModelFetchError, ModelNotFound
from streamer.models.store import hub, weights
from streamer.models.store.cache import cache_folder
from streamer.models.store.registry import (
    Contract,
    HubSource,
    ModelEntry,
    ModelFile,
    NpmSource,
    lookup,
)
from streamer.models.store.weights import cached_path, precision_of, resolve

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
CONTRACT = Contract("input", "output", 1024, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), logits=False)
ON_THE_HUB = HubSource("acme/matter", "a" * 40)
IN_NPM = NpmSource("@acme/matter@1.2.3", "/models/medium", 1000)


def file(source: HubSource | NpmSource, path: str) -> ModelFile:
    return ModelFile(path, len(CONTENT), SHA256, source)


RMBG = ModelEntry(
    "rmbg-1.4",
    "",
    "MIT",
    "",
    CONTRACT,
    {"fp32": file(ON_THE_HUB, "onnx/model.onnx"), "fp16": file(ON_THE_HUB, "onnx/fp16.onnx")},
)
ISNET = ModelEntry("isnet", "", "MIT", "", CONTRACT, {"fp16": file(IN_NPM, "isnet.onnx")})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches, a Hub in offline mode, no npm, and two small models in the registry's place."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(weights, "lookup", {"rmbg-1.4": RMBG, "isnet": ISNET}.__getitem__)
    return tmp_path / "cache"


def put_isnet(cache: Path, content: bytes = CONTENT) -> Path:
    place = cache / "models" / "isnet.onnx"
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    return place


def put_rmbg(cache: Path, path: str) -> Path:
    snapshots = cache.parent / "hub" / "models--acme--matter" / "snapshots"
    place = snapshots / ON_THE_HUB.revision / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(CONTENT)
    return place


def test_auto_takes_its_first_choice_where_it_can(cache: Path) -> None:
    place = put_rmbg(cache, "onnx/model.onnx")
    resolved = resolve(ModelConfig(name="auto"), on_gpu=False)
    assert (resolved.name, resolved.path, resolved.precision) == ("rmbg-1.4", place, "fp32")
    assert resolved.sha256 == SHA256
    assert resolved.fallback_reason is None


def test_auto_falls_back_with_a_reason_and_a_warning(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = put_isnet(cache)
    with caplog.at_level(logging.WARNING, "streamer.models"):
        resolved = resolve(ModelConfig(name="auto"), on_gpu=False)
    assert (resolved.name, resolved.path, resolved.precision) == ("isnet", place, "fp16")
    assert resolved.fallback_reason is not None
    assert "HF_HUB_OFFLINE" in resolved.fallback_reason
    assert "auto falls back to isnet" in caplog.text


def test_auto_names_both_reasons_when_neither_can_be_had(cache: Path) -> None:
    with pytest.raises(ModelFetchError, match=r"rmbg-1\.4: .*HF_HUB_OFFLINE.*isnet: .*npm"):
        resolve(ModelConfig(name="auto"), on_gpu=False)


def test_auto_says_that_its_fallback_lacks_the_precision(cache: Path) -> None:
    put_isnet(cache)
    with pytest.raises(ModelError, match=r"HF_HUB_OFFLINE.*isnet has no fp32, only fp16"):
        resolve(ModelConfig(name="auto", precision="fp32"), on_gpu=False)


def test_auto_falls_back_from_a_corrupt_download_and_says_so(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put_isnet(cache)
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"?")
    monkeypatch.setattr(hub, "download", lambda *arguments: wrong)
    resolved = resolve(ModelConfig(name="auto"), on_gpu=False)
    assert resolved.name == "isnet"
    assert "sha256" in (resolved.fallback_reason or "")
    assert not wrong.exists()


def test_a_named_model_never_falls_back(cache: Path) -> None:
    put_isnet(cache)
    with pytest.raises(ModelFetchError, match="HF_HUB_OFFLINE"):
        resolve(ModelConfig(name="rmbg-1.4"), on_gpu=False)


@pytest.mark.parametrize(("on_gpu", "path"), [(True, "onnx/fp16.onnx"), (False, "onnx/model.onnx")])
def test_precision_auto_is_fp16_on_a_gpu_and_fp32_elsewhere(
    cache: Path, on_gpu: bool, path: str
) -> None:
    put_rmbg(cache, "onnx/fp16.onnx")
    put_rmbg(cache, "onnx/model.onnx")
    resolved = resolve(ModelConfig(), on_gpu=on_gpu)
    assert resolved.path.as_posix().endswith(path)


def test_precision_auto_takes_the_only_file_there_is() -> None:
    assert precision_of(lookup("isnet"), "auto", on_gpu=False) == "fp16"
    assert precision_of(lookup("modnet"), "auto", on_gpu=True) == "fp32"


@pytest.mark.usefixtures("cache")
def test_a_precision_the_model_lacks_is_an_error_before_any_download() -> None:
    with pytest.raises(ModelError, match="isnet has no fp32, only fp16"):
        resolve(ModelConfig(name="isnet", precision="fp32"), on_gpu=False)


def test_an_unknown_name_is_not_found() -> None:
    with pytest.raises(ModelNotFound, match="did you mean isnet"):
        resolve(ModelConfig(name="isnett"), on_gpu=False)


def test_a_local_file_behaves_as_rmbg_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(CONTENT)
    resolved = resolve(ModelConfig(name=str(path)), on_gpu=False)
    assert (resolved.name, resolved.path, resolved.sha256) == ("mine.onnx", path, SHA256)
    assert resolved.precision is None
    assert resolved.contract == Contract(
        None, None, None, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), logits=False
    )


def test_a_local_file_takes_its_contract_from_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(CONTENT)
    contract = ContractConfig(
        input="x", output="y", mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), logits=True
    )
    resolved = resolve(ModelConfig(name=str(path), contract=contract), on_gpu=False)
    assert resolved.contract == Contract(
        "x", "y", None, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), logits=True
    )


def test_a_local_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"gone\.onnx: no such file"):
        resolve(ModelConfig(name=str(tmp_path / "gone.onnx")), on_gpu=False)


def test_cached_path_is_none_until_the_whole_file_is_there(cache: Path) -> None:
    assert cached_path(ISNET, "fp16") is None
    place = put_isnet(cache, CONTENT[:-1])
    assert cached_path(ISNET, "fp16") is None
    place.write_bytes(CONTENT)
    assert cached_path(ISNET, "fp16") == place
    assert cached_path(ISNET, "fp32") is None


def test_a_cached_model_leaves_the_cache_untouched(cache: Path) -> None:
    place = put_isnet(cache)
    resolve(ModelConfig(name="isnet"), on_gpu=False)
    assert list(cache.rglob("*")) == [place.parent, place]


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere")


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/streamer"),
        ("linux", {}, "/home/me/.cache/streamer"),
        ("darwin", {}, "/home/me/Library/Caches/streamer"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/streamer/cache"),
    ],
)
def test_the_cache_is_where_the_platform_wants_it(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], folder: str
) -> None:
    for name in ("STREAMER_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert cache_folder() == Path(folder)
