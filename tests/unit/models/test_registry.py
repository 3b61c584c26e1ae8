from __future__ import annotations

import re
from dataclasses import FrozenInstanceError

import pytest

from streamer.errors import ModelError, ModelNotFound
from streamer.models.store.registry import HubSource, NpmSource, lookup, models


def test_the_registry_names_the_known_models() -> None:
    assert list(models()) == [
        "rmbg-1.4",
        "isnet",
        "isnet-general-use",
        "birefnet-lite",
        "modnet",
        "rvm-mobilenetv3",
    ]


def test_every_file_is_pinned_and_hashed() -> None:
    for entry in models().values():
        assert entry.files, entry.name
        for file in entry.files.values():
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.size > 1_000_000
            if isinstance(file.source, HubSource):
                assert re.fullmatch(r"[0-9a-f]{40}", file.source.revision)
            elif isinstance(file.source, NpmSource):
                assert re.search(r"@\d+\.\d+\.\d+$", file.source.package)
            else:
                assert re.match(r"https://.*/v?\d+\.\d+\.\d+/", file.source.url)


def test_every_entry_says_what_it_is_and_under_which_licence() -> None:
    for entry in models().values():
        assert entry.summary
        assert entry.licence
        assert entry.terms
        assert min(entry.contract.std) > 0


def test_rmbg_and_isnet_share_their_contract() -> None:
    assert lookup("rmbg-1.4").contract == lookup("isnet").contract


def test_rmbg_has_both_precisions_and_isnet_one() -> None:
    assert list(lookup("rmbg-1.4").files) == ["fp32", "fp16"]
    assert list(lookup("isnet").files) == ["fp16"]
    assert isinstance(lookup("isnet").file("fp16").source, NpmSource)


def test_birefnet_gives_logits_and_wants_imagenet_statistics() -> None:
    contract = lookup("birefnet-lite").contract
    assert contract.logits
    assert contract.mean == (0.485, 0.456, 0.406)
    assert contract.std == (0.229, 0.224, 0.225)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ModelNotFound, match=r"rmbg14: .*did you mean rmbg-1\.4\?"):
        lookup("rmbg14")


def test_a_name_like_no_other_is_answered_with_all_names() -> None:
    with pytest.raises(ModelNotFound, match=r"there are rmbg-1\.4, isnet, .*\.onnx file"):
        lookup("zzz")


def test_a_precision_that_a_model_lacks_is_answered_with_those_it_has() -> None:
    with pytest.raises(ModelError, match=r"isnet has no fp32, only fp16"):
        lookup("isnet").file("fp32")


def test_entries_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        lookup("isnet").name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        models()["isnet"] = lookup("modnet")  # type: ignore[index]
