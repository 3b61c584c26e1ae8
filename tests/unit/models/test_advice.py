"""The advice to optimise a model: once, and where its inferences are what the time goes to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamer.config import ContractConfig, ModelConfig
from streamer.models import load_segmenter
from streamer.models.store import advice
from streamer.models.store.advice import Advice


@pytest.fixture(autouse=True)
def told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> Callable[[], list[str]]:
    """What is logged, in a process that has given no advice and a cache without artefacts."""
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(advice, "_given", set())
    caplog.set_level(logging.WARNING, "streamer.models")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("seconds", "given"),
    [
        ([0.0001, 0.0001], False),
        ([0.005, 0.005, 5.0], False),
        ([0.2, 0.001], False),
        ([0.001, 0.2], False),
        ([0.2], False),
        ([0.05, 0.04], True),
        ([0.2, 0.2], True),
        ([1.5], True),
    ],
)
def test_advice_is_for_models_that_take_their_time(seconds, given, told) -> None:
    named = Advice("net.onnx", "my net.onnx")
    for second in seconds:
        named.ran(second)
    advised = "net.onnx: `streamer models optimize 'my net.onnx'` would make it several times as"
    assert [line[: len(advised)] for line in told()] == ([advised] if given else [])


def test_a_model_that_sees_few_frames_has_to_take_longer(told) -> None:
    for second in (0.05, 0.05):
        Advice("net.onnx", "net.onnx", on_each_frame=False).ran(second)
    assert not told()
    Advice("net.onnx", "net.onnx", on_each_frame=False).ran(0.5)
    assert len(told()) == 1


def test_each_model_is_named_once_in_a_process(told) -> None:
    for name in ("one.onnx", "two.onnx", "one.onnx", "one.onnx"):
        named = Advice(name, name)
        for _ in range(3):
            named.ran(0.5)
    assert [line.partition(":")[0] for line in told()] == ["one.onnx", "two.onnx"]


def test_a_slow_model_is_named_by_what_loads_it_whatever_sizes_it_has(
    make_model, monkeypatch: pytest.MonkeyPatch, told
) -> None:
    monkeypatch.setattr(advice, "_WORTH_S", 0)
    model = ModelConfig(name=str(make_model(size="side")), input_size=96)
    for _ in range(2):
        segmenter, _ = load_segmenter(model, ladder=(64, 48, 32))
        segmenter.warm_up()
        for _ in range(3):
            segmenter.segment(np.zeros((48, 64, 3), np.uint8), np.empty((48, 64), np.uint8))
    assert len(told()) == 1


@pytest.mark.parametrize(
    "asked", [{"precision": "fp32"}, {"contract": ContractConfig(mean=(0, 0, 0))}]
)
def test_who_asked_for_floats_or_has_a_contract_of_his_own_gets_none(
    make_model, monkeypatch: pytest.MonkeyPatch, told, asked
) -> None:
    """Only a model of the usual contract can be calibrated by the command that is named."""
    monkeypatch.setattr(advice, "_WORTH_S", 0)
    segmenter, _ = load_segmenter(ModelConfig(name=str(make_model()), **asked))
    for _ in range(3):
        segmenter.segment(np.zeros((48, 64, 3), np.uint8), np.empty((48, 64), np.uint8))
    assert not told()
