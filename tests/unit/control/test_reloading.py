"""A configuration file that is read again while its streams run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streamer.config import BoxConfig
from streamer.control.reloading import Reloading
from streamer.errors import ConfigError
from tests.waiting import wait_for

TEXT = "source: {type: synthetic}\nsinks: [{type: discard}]\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def read() -> list[BoxConfig]:
    return []


def thresholds(read: list[BoxConfig]) -> list[float]:
    return [box.streams["stream"].refine.threshold for box in read]


def test_a_change_of_the_file_is_enough_when_it_is_watched(
    file: Path, read: list[BoxConfig]
) -> None:
    with Reloading(file, (), read.append):
        file.write_text(TEXT + "refine: {threshold: 0.7}\n")
        wait_for(lambda: thresholds(read) == [0.7])
        replacement = file.with_suffix(".new")
        replacement.write_text(TEXT + "refine: {threshold: 0.8}\n")
        replacement.replace(file)  # as editors save
        wait_for(lambda: thresholds(read) == [0.7, 0.8])


def test_without_watching_it_is_read_when_asked_for_with_the_same_overrides(
    file: Path, read: list[BoxConfig]
) -> None:
    with Reloading(file, ["refine.threshold=0.9"], read.append, watch=False) as reloading:
        file.write_text(TEXT + "refine: {gain: 2}\n")
        reloading.request()
        wait_for(lambda: thresholds(read) == [0.9])
        assert read[0].streams["stream"].refine.gain == 2


@pytest.mark.parametrize("text", ["source: [", "source: {type: nothing}", ""])
def test_a_bad_file_changes_nothing_and_is_said_why(
    text: str, file: Path, read: list[BoxConfig], caplog: pytest.LogCaptureFixture
) -> None:
    with Reloading(file, (), read.append) as reloading:
        file.write_text(text)
        wait_for(lambda: reloading.refused == 1)
        assert "c.yaml" in caplog.text
        assert "everything stays as it was" in caplog.text
        file.unlink()
        file.write_text(TEXT + "refine: {threshold: 0.7}\n")
        wait_for(lambda: thresholds(read) == [0.7])


def test_what_the_streams_refuse_is_said_too(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(box: BoxConfig) -> None:
        raise ConfigError("restart: is fixed while the streams run")

    with Reloading(file, (), refuse, watch=False) as reloading:
        reloading.request()
        wait_for(lambda: reloading.refused == 1)
    assert "restart: is fixed" in caplog.text


def test_others_are_told_when_it_begins_and_ends(file: Path, read: list[BoxConfig]) -> None:
    told: list[tuple[bool, int]] = []
    tell: Callable[[bool], None] = lambda begun: told.append((begun, len(read)))  # noqa: E731
    with Reloading(file, (), read.append, watch=False, told=tell) as reloading:
        reloading.request()
        wait_for(lambda: len(told) == 2)
    assert told == [(True, 0), (False, 1)]
