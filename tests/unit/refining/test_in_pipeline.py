"""A pipeline refines what it delivers, and never what would show the room."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from streamer import Pipeline
from streamer.config import (
    ReconnectConfig,
    RefineConfig,
    Settings,
    StandbyConfig,
    parse_config,
)
from streamer.core.metrics import Metrics
from streamer.engine import Standby
from streamer.errors import SourceLost, SourceRefused
from streamer.frame import Alpha, Frame, Matte
from streamer.matting import EveryFrame
from streamer.preprocessing import Refinement
from tests.fakes import FakeMatting, FakeSegmenter, FakeSink, FakeSource

INVERTED = RefineConfig(invert=True)


class Blind(EveryFrame):
    """Knows nothing of every other frame."""

    def matte(self, frame: Frame, alpha: Alpha) -> tuple[Matte]:
        if frame.stamp.index % 2:
            alpha.fill(0)
            return (Matte(alpha, frame.stamp, "empty"),)
        return super().matte(frame, alpha)


def test_every_sink_gets_the_refined_alpha_of_each_frame() -> None:
    sinks = [FakeSink(), FakeSink()]
    settings = Settings(RefineConfig(gain=2.0))
    Pipeline(FakeSource(20), EveryFrame(FakeSegmenter()), sinks, settings=settings).run()
    for sink in sinks:
        assert sink.pictures == list(range(20))
        assert sink.alphas == [2 * number for number in range(20)]


def test_a_matting_that_looks_ahead_is_refined_when_it_gives_its_mattes() -> None:
    sink = FakeSink()
    matting = FakeMatting(delay=3, in_bursts=True)
    Pipeline(FakeSource(9), matting, [sink], settings=Settings(RefineConfig(gain=2.0))).run()
    assert sink.alphas == [2 * number for number in range(9)]


def test_an_empty_matte_stays_empty_although_inversion_is_asked_for() -> None:
    sink = FakeSink()
    Pipeline(FakeSource(6), Blind(FakeSegmenter()), [sink], settings=Settings(INVERTED)).run()
    assert sink.origins == ["inferred", "empty"] * 3
    assert sink.alphas == [255, 0, 253, 0, 251, 0]


@pytest.mark.parametrize("show", ["card", "black", "freeze"])
def test_stand_by_frames_are_not_refined(show: str) -> None:
    sink = FakeSink()

    def stood_in() -> None:
        if sum(stamp.standby for stamp in sink.stamps) < 2:
            raise SourceRefused("fake: connection refused")

    lost = {5: SourceLost("fake: hung up")}
    Pipeline(
        FakeSource(5, live=True, period_s=0.01, events=lost),
        EveryFrame(FakeSegmenter()),
        [sink],
        fresh=lambda: FakeSource(3, live=True, period_s=0.01, on_open=stood_in),
        reconnect=ReconnectConfig(first_s=0.1, max_s=0.1),
        standby=Standby(StandbyConfig.model_validate({"show": show})),
        settings=Settings(INVERTED),
    ).run()
    given = list(zip(sink.stamps, sink.pictures, sink.alphas, strict=True))
    assert all(alpha == 255 - picture for stamp, picture, alpha in given if not stamp.standby)
    stand_ins = [(picture, alpha) for stamp, picture, alpha in given if stamp.standby]
    assert stand_ins
    if show == "freeze":
        assert all(alpha == 255 - picture for picture, alpha in stand_ins), "as it was, once"
    else:
        assert not any(alpha for _, alpha in stand_ins)


def test_settings_change_while_it_runs_and_only_what_was_refined_is_timed() -> None:
    metrics = Metrics()
    stream: Pipeline
    changed = threading.Event()

    class Changing(FakeSink):
        def write(self, frame: Frame, matte: Matte) -> None:
            super().write(frame, matte)
            if frame.stamp.index == 5:
                assert metrics.latency("refine").quantile_ms(0.5) is None
                stream.apply({"refine.invert": True})
                changed.set()

    def wait(number: int) -> None:
        if number == 6:
            assert changed.wait(5)

    sink = Changing()
    stream = Pipeline(
        FakeSource(10, on_read=wait),
        EveryFrame(FakeSegmenter()),
        [sink],
        refine=Refinement(metrics.latency("refine")),
        metrics=metrics,
    )
    report = stream.run()
    assert sink.alphas == [*range(6), *(255 - number for number in range(6, 10))]
    assert report["latency_ms"]["refine"]["p50"] is not None


def test_the_configurations_refinement_is_the_pipelines(make_model, tmp_path) -> None:
    config = {
        "source": {"type": "synthetic", "width": 160, "height": 120, "frames": 3},
        "model": {"name": str(make_model())},
        "matting": {"mode": "every_frame"},
        "sinks": [
            {"type": "images", "path": str(tmp_path / "{}"), "layout": "alpha", "format": "png"}
        ],
    }
    pictures: list[Sequence[np.ndarray]] = []
    for name, refine in (("plain", {}), ("inverted", {"invert": True})):
        config["sinks"][0]["path"] = str(tmp_path / name)
        with Pipeline.from_config(parse_config({**config, "refine": refine})) as pipeline:
            report = pipeline.run()
        assert (report["latency_ms"]["refine"]["p50"] is None) == (name == "plain")
        found = sorted((tmp_path / name).glob("*.png"))
        pictures.append([cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in found])
    assert len(pictures[0]) == 3
    for plain, inverted in zip(*pictures, strict=True):
        assert (inverted == 255 - plain).all()
