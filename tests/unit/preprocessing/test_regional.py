"""Regions of interest: what the matting is shown, what is background, regions that change."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from streamer import Pipeline
from streamer.config import MattingConfig, PreprocessConfig, RefineConfig
from streamer.errors import ConfigError
from streamer.frame import Frame, Matte, Stamp
from streamer.matting import EveryFrame, Tracked
from streamer.preprocessing import Regional
from streamer.refining import Refiner
from streamer.tuning import Tuning
from tests.fakes import FakeMatting, FakeSegmenter, FakeSink, FakeSource
from tests.unit.matting.footage import Footage, Later, TruthSegmenter, footage, mad, run

SHAPE = (48, 64)


def tuned(roi=None) -> Tuning:
    return Tuning(preprocess=PreprocessConfig(roi=roi))


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
    matting = Regional(EveryFrame(segmenter), tuned((16, 12, 32, 24)))
    frame = filled(3)
    (matte,) = alphas_of(matting, frame)
    assert shapes == [(24, 32, 3)]
    assert only(matte.alpha, 103, np.s_[12:36, 16:48])
    assert matte.stamp is frame.stamp
    assert (frame.image == 103).all(), "the frame keeps its pixels"


def test_of_several_regions_the_model_sees_the_box_and_between_them_is_background():
    inner = Seen()
    matting = Regional(inner, tuned([(4, 4, 8, 8), (40, 30, 20, 10)]))
    (matte,) = alphas_of(matting, filled(3))
    assert inner.seen == [((36, 56), 0)]
    assert only(matte.alpha, 103, np.s_[4:12, 4:12], np.s_[30:40, 40:60])


def test_fractions_follow_the_frames_size():
    matting = Regional(FakeMatting(), tuned((0.5, 0, 0.5, 1)))
    small, large = alphas_of(matting, filled(0), filled(1, (96, 128), epoch=1))
    assert only(small.alpha, 100, np.s_[:, 32:])
    assert only(large.alpha, 101, np.s_[:, 64:])


def test_without_regions_frames_and_mattes_pass_through_as_they_are():
    inner = Seen()
    frame, alpha = filled(3, epoch=7), np.full(SHAPE, 99, np.uint8)
    (matte,) = Regional(inner, tuned()).matte(frame, alpha)
    assert inner.seen == [(SHAPE, 7)]
    assert matte == Matte(alpha, frame.stamp, "inferred")
    assert (alpha == 103).all()


@pytest.mark.parametrize("in_bursts", [False, True])
def test_a_region_that_is_drawn_leaves_frames_that_are_held_as_they_were(in_bursts):
    inner, tuning = FakeMatting(4, in_bursts=in_bursts), tuned()
    matting = Regional(inner, tuning)
    mattes = alphas_of(matting, *map(filled, range(6)))
    tuning.preprocess = PreprocessConfig(roi=(0, 0, 0.5, 1))
    mattes += alphas_of(matting, *map(filled, range(6, 9)))
    tuning.preprocess = PreprocessConfig()
    mattes += alphas_of(matting, *map(filled, range(9, 12)))
    mattes += matting.flush()
    assert [matte.stamp for matte in mattes] == [stamp(index) for index in range(12)]
    left, everywhere = np.s_[:, :32], np.s_[:, :]
    for index, matte in enumerate(mattes):
        assert only(matte.alpha, 100 + index, left if 6 <= index < 9 else everywhere)


def test_a_box_that_moves_is_a_new_epoch_of_the_matting_and_it_never_has_one_twice():
    inner, tuning = Seen(delay=2), tuned((0, 0, 20, 20))
    matting = Regional(inner, tuning)
    alphas_of(matting, filled(0), filled(1))
    tuning.preprocess = PreprocessConfig(roi=(30, 0, 20, 20))
    alphas_of(matting, filled(2), filled(3))
    matting.flush()
    alphas_of(matting, filled(4, epoch=1))
    tuning.preprocess = PreprocessConfig(roi=(0, 0, 20, 20))
    alphas_of(matting, filled(5, epoch=1))
    assert [epoch for _, epoch in inner.seen] == [0, 0, 1, 1, 2, 3]


def test_regions_that_change_within_their_box_interrupt_nothing():
    inner, tuning = FakeMatting(2), tuned([(0, 0, 10, 10), (30, 30, 10, 10)])
    matting = Regional(inner, tuning)
    mattes = alphas_of(matting, filled(0), filled(1))
    tuning.preprocess = PreprocessConfig(roi=[(30, 0, 10, 10), (0, 30, 10, 10)])
    mattes += [*alphas_of(matting, filled(2)), *matting.flush()]
    assert inner.flushed == [[1, 2]]
    for matte in mattes[:2]:
        assert only(matte.alpha, 100 + matte.stamp.index, np.s_[:10, :10], np.s_[30:40, 30:40])
    assert only(mattes[2].alpha, 102, np.s_[:10, 30:40], np.s_[30:40, :10])


def test_a_region_outside_of_the_frame_is_told_with_the_frames_size():
    matting = Regional(FakeMatting(), tuned((100, 0, 20, 20)))
    with pytest.raises(ConfigError, match=r"\[100, 0, 20, 20\] is outside of a frame of 64x48"):
        alphas_of(matting, filled(0))


def test_a_region_that_is_put_outside_of_a_running_stream_is_logged_and_the_old_one_stays(caplog):
    tuning = tuned((10, 8, 20, 16))
    matting = Regional(FakeMatting(), tuning)
    alphas_of(matting, filled(0))
    tuning.preprocess = PreprocessConfig(roi=(100, 0, 20, 20))
    for matte in alphas_of(matting, filled(1), filled(2)):
        assert only(matte.alpha, matte.alpha[8, 10], np.s_[8:24, 10:30])
        assert matte.alpha[8, 10]
    assert caplog.text.count("the regions stay as they were") == 1
    assert tuning.preprocess == PreprocessConfig(roi=(10, 8, 20, 16)), "for another matting, too"
    tuning.preprocess = PreprocessConfig(roi=(100, 0, 20, 20))
    (matte,) = alphas_of(Regional(FakeMatting(), tuning), filled(5))
    assert only(matte.alpha, 105, np.s_[8:24, 10:30]), "another matting goes back to them too"
    with pytest.raises(ConfigError, match="outside of a frame of 8x6"):
        alphas_of(matting, filled(3, (6, 8), epoch=1))


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
        found.append(run(Regional(tracked, tuned(region)), shown))
    for alone, within in zip(*found, strict=True):
        assert (alone.origin, alone.age) == (within.origin, within.age)
        assert (within.alpha[MIDDLE] == alone.alpha).all()
        assert not within.alpha[:, :26].any()
        assert not within.alpha[:, 230:].any()


def test_tracking_begins_anew_where_a_box_of_the_same_size_moves_in_mid_stream():
    film = footage("still", 24)
    model = TruthSegmenter(film)
    tuning = tuned((0, 0, 160, 144))
    matting = Regional(Tracked(model, MattingConfig(mode="tracked"), live=False), tuning)

    def moving() -> Iterator[int]:
        for index in range(24):
            if index == 12:
                tuning.preprocess = PreprocessConfig(roi=(96, 0, 160, 144))
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
    halves = [PreprocessConfig(roi=(start, 0, 0.5, 1)) for start in (0.0, 0.5)]
    tuning, seen = tuned((0, 0, 0.5, 1)), []

    def replace_regions(image: np.ndarray) -> None:
        seen.append(len(seen))
        tuning.preprocess = halves[len(seen) % 2]

    class Halves(FakeSink):
        def write(self, frame: Frame, matte: Matte) -> None:
            shown.append((bool(matte.alpha[:, :32].all()), bool(matte.alpha[:, 32:].all())))

    shown: list[tuple[bool, bool]] = []
    matting = Regional(EveryFrame(FakeSegmenter(replace_regions)), tuning)
    refine = Refiner(Tuning(refine=RefineConfig(invert=True))).refine
    Pipeline(FakeSource(6), matting, [Halves()], refine=refine).run()
    assert shown == [(True, False), (False, True)] * 3


@pytest.mark.parametrize("delay", [0, 5])
def test_a_region_drawn_while_a_pipeline_runs_loses_no_frame(delay):
    tuning = tuned()

    def draw(frame: Frame) -> None:
        if frame.stamp.index == 20:
            tuning.preprocess = PreprocessConfig(roi=(0.5, 0.5, 0.25, 0.25))

    sink = FakeSink(on_write=draw)
    matting = Regional(FakeMatting(delay), tuning)
    report = Pipeline(FakeSource(60), matting, [sink], ring_capacity=2).run()
    assert report["frames"]["emitted"] == 60
    assert sink.indices == list(range(60))
    shown = sink.alphas.index(0, 1)
    assert shown > 20
    assert sink.alphas[:shown] == list(range(shown))
    assert not any(sink.alphas[shown:]), "the corner is outside of the region"
