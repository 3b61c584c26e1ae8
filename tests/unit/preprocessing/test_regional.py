"""Regions of interest: what the matting is shown, what is background, regions that change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from streamer import Pipeline
from streamer.config import MattingConfig, PreprocessConfig, RefineConfig, Settings, parse_config
from streamer.controls import Applied, Refused
from streamer.errors import ConfigError, FormatChanged, StageFailed
from streamer.evaluation.driving import run_matting
from streamer.frame import Frame, Matte, Stamp
from streamer.loading import load_matting
from streamer.matting import EveryFrame, Tracked
from streamer.preprocessing import Regional
from tests.fakes import FakeMatting, FakeSegmenter, FakeSink, FakeSource, Within
from tests.unit.matting.tracking.footage import Footage, Later, TruthSegmenter, footage, mad, run

SHAPE = (48, 64)


def stamp(index: int, epoch: int = 0) -> Stamp:
    return Stamp(index, index, Fraction(1, 25), 0, epoch)


def filled(index: int, shape=SHAPE, epoch: int = 0) -> Frame:
    return Frame(np.full((*shape, 3), 100 + index, np.uint8), stamp(index, epoch))


class Seen(FakeMatting):
    """Remembers the size and epoch of what it was shown."""

    def __init__(self, delay: int = 0) -> None:
        super().__init__(delay)
        self.seen: list[tuple[tuple[int, int], int]] = []

    def matte(self, frame, alpha):
        assert frame.image.shape[:2] == alpha.shape
        self.seen.append((alpha.shape, frame.stamp.epoch))
        return super().matte(frame, alpha)


def alphas_of(matting: Regional, *frames: Frame) -> list[Matte]:
    """The mattes of *frames*, each in an alpha that was full of 99."""
    mattes: list[Matte] = []
    for frame in frames:
        mattes += matting.matte(frame, np.full(frame.image.shape[:2], 99, np.uint8))
    return mattes


def only(alpha: np.ndarray, level: int, *places: tuple[slice, slice]) -> bool:
    """Whether *alpha* is *level* in all of *places*, and 0 elsewhere."""
    wanted = np.zeros_like(alpha)
    for place in places:
        wanted[place] = level
    return bool((alpha == wanted).all())


def test_outside_of_a_region_all_is_background_and_the_model_sees_no_more_of_it():
    segmenter = FakeSegmenter(lambda image: shapes.append(image.shape))
    shapes: list[tuple[int, ...]] = []
    matting = Within(EveryFrame(segmenter), (16, 12, 32, 24))
    frame = filled(3)
    (matte,) = alphas_of(matting, frame)
    assert shapes == [(24, 32, 3)]
    assert only(matte.alpha, 103, np.s_[12:36, 16:48])
    assert matte.stamp is frame.stamp
    assert (frame.image == 103).all(), "the frame keeps its pixels"


def test_of_several_regions_the_model_sees_the_box_and_between_them_is_background():
    inner = Seen()
    matting = Within(inner, [(4, 4, 8, 8), (40, 30, 20, 10)])
    (matte,) = alphas_of(matting, filled(3))
    assert inner.seen == [((36, 56), 0)]
    assert only(matte.alpha, 103, np.s_[4:12, 4:12], np.s_[30:40, 40:60])


def test_fractions_follow_the_frames_size():
    matting = Within(FakeMatting(), (0.5, 0, 0.5, 1))
    small, large = alphas_of(matting, filled(0), filled(1, (96, 128), epoch=1))
    assert only(small.alpha, 100, np.s_[:, 32:])
    assert only(large.alpha, 101, np.s_[:, 64:])


def test_without_regions_frames_and_mattes_pass_through_as_they_are():
    inner = Seen()
    frame, alpha = filled(3, epoch=7), np.full(SHAPE, 99, np.uint8)
    (matte,) = Within(inner).matte(frame, alpha)
    assert inner.seen == [(SHAPE, 7)]
    assert matte == Matte(alpha, frame.stamp, "inferred")
    assert (alpha == 103).all()


@pytest.mark.parametrize("in_bursts", [False, True])
def test_a_region_that_is_drawn_leaves_frames_that_are_held_as_they_were(in_bursts):
    matting = Within(FakeMatting(4, in_bursts=in_bursts))
    mattes = alphas_of(matting, *map(filled, range(6)))
    matting.roi = (0, 0, 0.5, 1)
    mattes += alphas_of(matting, *map(filled, range(6, 9)))
    matting.roi = None
    mattes += alphas_of(matting, *map(filled, range(9, 12)))
    mattes += matting.flush()
    assert [matte.stamp for matte in mattes] == [stamp(index) for index in range(12)]
    left, everywhere = np.s_[:, :32], np.s_[:, :]
    for index, matte in enumerate(mattes):
        assert only(matte.alpha, 100 + index, left if 6 <= index < 9 else everywhere)


def test_a_box_that_moves_is_a_new_epoch_of_the_matting_and_it_never_has_one_twice():
    inner = Seen(delay=2)
    matting = Within(inner, (0, 0, 20, 20))
    alphas_of(matting, filled(0), filled(1))
    matting.roi = (30, 0, 20, 20)
    alphas_of(matting, filled(2), filled(3))
    matting.flush()
    alphas_of(matting, filled(4, epoch=1))
    matting.roi = (0, 0, 20, 20)
    alphas_of(matting, filled(5, epoch=1))
    assert [epoch for _, epoch in inner.seen] == [0, 0, 1, 1, 2, 3]


def test_regions_that_change_within_their_box_interrupt_nothing():
    inner = FakeMatting(2)
    matting = Within(inner, [(0, 0, 10, 10), (30, 30, 10, 10)])
    mattes = alphas_of(matting, filled(0), filled(1))
    matting.roi = [(30, 0, 10, 10), (0, 30, 10, 10)]
    mattes += [*alphas_of(matting, filled(2)), *matting.flush()]
    assert inner.flushed == [[1, 2]]
    for matte in mattes[:2]:
        assert only(matte.alpha, 100 + matte.stamp.index, np.s_[:10, :10], np.s_[30:40, 30:40])
    assert only(mattes[2].alpha, 102, np.s_[:10, 30:40], np.s_[30:40, :10])


def test_a_region_outside_of_the_frame_is_told_with_the_frames_size():
    matting = Within(FakeMatting(), (100, 0, 20, 20))
    with pytest.raises(ConfigError, match=r"\[100, 0, 20, 20\] is outside of a frame of 64x48"):
        alphas_of(matting, filled(0))


def test_regions_that_are_not_in_a_new_size_give_way_to_those_before(caplog):
    """They were asked for while frames had another size, and none of these has come since."""
    stream: Pipeline
    shown = [threading.Event() for _ in range(6)]

    def draw(number: int) -> None:
        if number == 4 and not answers:
            assert shown[3].wait(10)
            answers.append(stream.apply({"preprocess.roi": (40, 0, 20, 20)}))

    answers: list[Applied | Refused] = []
    sink = FakeSink(on_write=lambda frame: shown[frame.stamp.index].set())
    smaller = FormatChanged(replace(FakeSource(6).open(), width=32, height=24))
    source = FakeSource(6, on_read=draw, events={4: smaller})
    settings = Settings(preprocess=PreprocessConfig(roi=(10, 8, 20, 16)))
    stream = Pipeline(source, Regional(FakeMatting()), [sink], settings=settings)
    stream.run()
    assert answers == [Applied(1)]
    assert sink.indices == list(range(6))
    assert caplog.text.count("the regions stay as they were") == 1
    assert stream.settings.preprocess.roi == (10, 8, 20, 16)
    assert stream.settings.number == 2, "going back to them is a change too"


def test_regions_that_were_shown_and_are_not_in_a_new_size_end_the_stream():
    smaller = FormatChanged(replace(FakeSource(6).open(), width=32, height=24))
    settings = Settings(preprocess=PreprocessConfig(roi=(40, 0, 20, 20)))
    stream = Pipeline(
        FakeSource(6, events={4: smaller}),
        Regional(FakeMatting()),
        [FakeSink()],
        settings=settings,
    )
    with pytest.raises(StageFailed, match="outside of a frame of 32x24"):
        stream.run()


def test_frames_without_settings_have_the_regions_of_the_configuration(make_model):
    """As those of `streamer eval` are."""
    config = parse_config(
        {
            "source": {"type": "synthetic"},
            "model": {"name": str(make_model(size=32, gain=0.0, bias=20.0))},
            "preprocess": {"roi": (0, 0, 0.5, 1)},
            "sinks": [{"type": "discard"}],
        }
    )
    matting, _ = load_matting(config)
    matting.warm_up()
    (answer,) = run_matting(matting, [filled(0).image])
    matting.close()
    assert only(answer.alpha, 255, np.s_[:, :32])


MIDDLE = np.s_[:, 26:230]
"""Of footage; as a region, `(26, 0, 204, 144)`."""


def part_of(film: Footage) -> Footage:
    return Footage(
        [image[MIDDLE].copy() for image in film.images], [alpha[MIDDLE] for alpha in film.alphas]
    )


@pytest.mark.parametrize("delay", [0, 3])
def test_a_live_stream_is_tracked_within_a_region_as_well_as_it_would_be_alone(delay):
    film = footage("moving", 40)
    part = part_of(film)
    found = []
    for region, shown in ((None, part), ((26, 0, 204, 144), film)):
        config = MattingConfig(mode="tracked", delay_frames=delay)
        tracked = Tracked(TruthSegmenter(part), config, live=True)
        tracked._asking = Later(5)
        found.append(run(Within(tracked, region), shown))
    for alone, within in zip(*found, strict=True):
        assert (alone.origin, alone.age) == (within.origin, within.age)
        assert (within.alpha[MIDDLE] == alone.alpha).all()
        assert not within.alpha[:, :26].any()
        assert not within.alpha[:, 230:].any()


def test_tracking_begins_anew_where_a_box_of_the_same_size_moves_in_mid_stream():
    film = footage("still", 24)
    model = TruthSegmenter(film)
    tracked = Tracked(model, MattingConfig(mode="tracked"), live=False)
    matting = Within(tracked, (0, 0, 160, 144))

    def moving() -> Iterator[int]:
        for index in range(24):
            if index == 12:
                matting.roi = (96, 0, 160, 144)
            yield index

    told = run(matting, film, frames=moving())
    assert 12 in model.frames_seen, "the model is asked about the first frame of the new box"
    for one in told:
        place = np.s_[:, :160] if one.index < 12 else np.s_[:, 96:]
        wanted = np.zeros_like(one.alpha)
        wanted[place] = film.alphas[one.index][place]
        assert mad(one.alpha, wanted) < 0.002


def test_a_frame_keeps_its_regions_through_refinement_too():
    """Each frame's are the left or the right half, replaced while the model is at work on it."""
    halves = [(start, 0, 0.5, 1) for start in (0.0, 0.5)]
    seen: list[int] = []
    stream: Pipeline

    def replace_regions(image: np.ndarray) -> None:
        seen.append(len(seen))
        stream.apply({"preprocess.roi": halves[len(seen) % 2]})

    class Halves(FakeSink):
        def write(self, frame: Frame, matte: Matte) -> None:
            shown.append((bool(matte.alpha[:, :32].all()), bool(matte.alpha[:, 32:].all())))

    shown: list[tuple[bool, bool]] = []
    matting = Regional(EveryFrame(FakeSegmenter(replace_regions)))
    settings = Settings(
        refine=RefineConfig(invert=True), preprocess=PreprocessConfig(roi=halves[0])
    )
    stream = Pipeline(FakeSource(6), matting, [Halves()], settings=settings)
    stream.run()
    assert shown == [(True, False), (False, True)] * 3


@pytest.mark.parametrize("delay", [0, 5])
def test_a_region_drawn_while_a_pipeline_runs_loses_no_frame(delay):
    stream: Pipeline

    def draw(frame: Frame) -> None:
        if frame.stamp.index == 20:
            stream.apply({"preprocess.roi": (0.5, 0.5, 0.25, 0.25)})

    sink = FakeSink(on_write=draw)
    stream = Pipeline(FakeSource(60), Regional(FakeMatting(delay)), [sink], ring_capacity=2)
    report = stream.run()
    assert report["frames"]["emitted"] == 60
    assert sink.indices == list(range(60))
    shown = sink.alphas.index(0, 1)
    assert shown > 20
    assert sink.alphas[:shown] == list(range(shown))
    assert not any(sink.alphas[shown:]), "the corner is outside of the region"
