"""A default that stands in two places has one value."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from streamer import BackgroundRemover
from streamer.config import (
    ImagesSinkConfig,
    ModelConfig,
    PipelineConfig,
    RecordSinkConfig,
    RtspSinkConfig,
)
from streamer.engine import Engine
from streamer.models.store.weights import DEFAULT_MODEL
from streamer.sinks import ImagesSink, RecordSink
from streamer.sinks.relaying import EncoderSettings


@pytest.mark.parametrize(
    ("made", "configured", "fewest"),
    [
        (Engine, PipelineConfig, 3),
        (EncoderSettings, RtspSinkConfig, 5),
        (ImagesSink, ImagesSinkConfig, 2),
        (RecordSink, RecordSinkConfig, 3),
        (BackgroundRemover, ModelConfig, 4),
    ],
)
def test_a_default_is_that_of_the_configuration(
    made: Callable[..., Any], configured: type[BaseModel], fewest: int
) -> None:
    parameters = inspect.signature(made).parameters
    shared = {
        name: (parameters[name].default, field.default)
        for name, field in configured.model_fields.items()
        if name in parameters and parameters[name].default is not inspect.Parameter.empty
    }
    assert len(shared) >= fewest
    assert {name: own for name, (own, _) in shared.items()} == {
        name: default for name, (_, default) in shared.items()
    }


def test_the_default_model_is_one() -> None:
    parameters = inspect.signature(BackgroundRemover).parameters
    names = {DEFAULT_MODEL, ModelConfig().name, parameters["model"].default}
    assert names == {DEFAULT_MODEL}
