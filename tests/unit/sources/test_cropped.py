from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from streamer import Pipeline
from streamer.config import ReconnectConfig, SyntheticSourceConfig
from streamer.errors import ConfigError, FormatChanged, SourceLost
from streamer.frame import StreamInfo
from streamer.matting import EveryFrame
from streamer.sources import make_source
from streamer.sources.cropped import CroppedSource
from tests.fakes import FakeSegmenter, FakeSink, FakeSource

GENERATED = SyntheticSourceConfig(type="synthetic", width=160, height=90, frames=3)


def test_the_box_around_the_regions_is_delivered_as_it_is():
    full, cropped = (
        make_source(GENERATED),
        make_source(GENERATED, [(40, 20, 30, 30), (60, 0, 50, 9)]),
    )
    whole = full.open()
    info = cropped.open()
    assert info == replace(whole, width=70, height=50)
    picture, out = np.empty((90, 160, 3), np.uint8), np.empty((50, 70, 3), np.uint8)
    for _ in range(3):
        grab = full.read(picture)
        assert cropped.read(out).pts == grab.pts
        assert (out == picture[0:50, 40:110]).all()
    full.close()
    cropped.close()


def test_without_regions_a_source_is_itself():
    assert not isinstance(make_source(GENERATED), CroppedSource)


def test_fractions_follow_a_change_of_the_size():
    change = FormatChanged(StreamInfo("fake", 128, 96, Fraction(25), Fraction(1, 25), live=False))
    inner = FakeSource(5, size=(64, 48), events={2: change})
    source = CroppedSource(inner, [(0.5, 0.25, 0.25, 0.5)])
    assert (source.open().width, source.open().height) == (16, 24)
    small = np.empty((24, 16, 3), np.uint8)
    assert [source.read(small).pts for _ in range(2)] == [0, 1]
    with pytest.raises(FormatChanged) as changed:
        source.read(small)
    assert (changed.value.info.width, changed.value.info.height) == (32, 48)
    large = np.empty((48, 32, 3), np.uint8)
    assert source.read(large).pts == 2
    assert (large == 2).all()
    with pytest.raises(ValueError, match="for a box of 32x48"):
        source.read(small)


def test_a_region_outside_of_the_frames_is_told_when_they_are_known():
    source = CroppedSource(FakeSource(size=(64, 48)), [(100, 0, 20, 20)])
    with pytest.raises(ConfigError, match=r"\[100, 0, 20, 20\] is outside of a frame of 64x48"):
        source.open()
    source.close()


def test_a_camera_that_comes_back_with_another_size_is_cropped_anew():
    sizes = iter([(128, 96)])

    def fresh() -> CroppedSource:
        return CroppedSource(FakeSource(5, live=True, size=next(sizes)), [(0.25, 0.25, 0.5, 0.5)])

    shapes: list[tuple[int, ...]] = []

    def unplug(number: int) -> None:
        if shapes:  # what comes before all is ready is thrown away
            raise SourceLost("fake: was unplugged")

    first = FakeSource(None, live=True, size=(64, 48), period_s=0.005, on_read=unplug)
    sink = FakeSink(on_write=lambda frame: shapes.append(frame.image.shape))
    Pipeline(
        CroppedSource(first, [(0.25, 0.25, 0.5, 0.5)]),
        EveryFrame(FakeSegmenter()),
        [sink],
        fresh=fresh,
        reconnect=ReconnectConfig(first_s=0.01, max_s=0.01),
        ring_capacity=20,
        sink_queue=20,
    ).run()
    assert {
        shape for shape, stamp in zip(shapes, sink.stamps, strict=True) if not stamp.standby
    } == {
        (24, 32, 3),
        (48, 64, 3),
    }
