"""Tracked matting of files: frames wait, and mattes rest on key frames from both sides."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from streamer.config import MattingConfig
from streamer.errors import SegmentError
from streamer.matting import Tracked
from tests.fakes import FakeSegmenter
from tests.memory import allocating
from tests.unit.matting.tracking.footage import (
    Footage,
    TruthSegmenter,
    dimmed,
    errors,
    footage,
    leaks,
    run,
)


def tracked(model: TruthSegmenter, **settings) -> Tracked:
    return Tracked(model, MattingConfig(mode="tracked", **settings), live=False)


@pytest.mark.parametrize(
    ("name", "most_calls", "limit"),
    [
        ("talking", 1 / 8, 0.002),
        ("moving", 1 / 8, 0.0015),
        ("panning", 1 / 4, 0.004),
        ("rotating", 1 / 3, 0.0015),
        ("scaling", 1 / 6, 0.002),
        ("crossing", 1 / 4, 0.003),
        ("shaking", 1 / 8, 0.002),
        ("noisy", 1 / 8, 0.003),
        ("dimming", 1 / 3, 0.002),
        ("leaving", 1 / 2, 0.002),
    ],
)
def test_mattes_stay_close_to_the_truth_with_few_calls_of_the_model(name, most_calls, limit):
    film = footage(name, 60)
    model = TruthSegmenter(film)
    told = run(tracked(model), film)
    assert errors(told, film).mean() < limit
    assert errors(told, film).max() < 0.02
    assert len(model.seen) <= most_calls * len(film)


def test_between_key_frames_it_is_better_than_keeping_the_last_matte():
    film = footage("moving", 60)
    model = TruthSegmenter(film)
    told = run(tracked(model), film)
    keys = model.frames_seen
    kept = [
        replace(one, alpha=film.alphas[max(key for key in keys if key <= one.index)])
        for one in told
    ]
    assert errors(told, film).mean() < errors(kept, film).mean() / 5


def test_a_matte_says_where_it_comes_from():
    film = footage("moving", 40)
    model = TruthSegmenter(film)
    for one in run(tracked(model), film):
        if one.index in model.frames_seen:
            assert (one.origin, one.age) == ("inferred", 0)
        else:
            assert one.origin == "propagated"
            assert one.age == min(abs(one.index - key) for key in model.frames_seen)


def test_a_frame_waits_for_the_key_frame_after_it_and_no_longer():
    film = footage("moving", 40)
    model = TruthSegmenter(film)
    matting = tracked(model, max_interval=6)
    assert matting.delay == 6
    for one in run(matting, film):
        after = [key for key in model.frames_seen if key >= one.index]
        assert one.after == (after[0] if after else 39) - one.index


def test_a_still_scene_asks_the_model_once_per_refresh():
    still = footage("still", 1)
    random = np.random.default_rng(7)
    images = [
        np.clip(still.images[0] + random.integers(-3, 4, still.images[0].shape), 0, 255)
        for _ in range(75)
    ]
    film = Footage([image.astype(np.uint8) for image in images], still.alphas * 75)
    model = TruthSegmenter(film)
    told = run(tracked(model, refresh_s=1.0, whole_s=60.0), film)
    assert model.frames_seen == [0, 30, 60]
    assert errors(told, film).max() < 0.001


def test_a_still_subject_does_not_flicker_although_the_models_answers_do():
    film = footage("still", 60)
    calls = iter(range(1000))

    def uncertain(_, out):
        rough = np.random.default_rng(next(calls)).normal(0, 9, out.shape)
        np.copyto(out, np.clip(out + rough, 0, 255).astype(np.uint8))

    model = TruthSegmenter(film, spoil=uncertain)
    told = run(tracked(model, refresh_s=0.2), film)
    fresh = [told[key].alpha for key in model.frames_seen]
    answers = [film.alphas[0].copy() for _ in fresh]
    for answer in answers:
        uncertain(0, answer)
    assert flicker(fresh[1:]) < flicker(answers) / 3
    assert flicker([one.alpha for one in told]) < flicker(answers) / 15


def flicker(alphas):
    """The mean change from one to the next."""
    return np.mean([np.abs(b.astype(int) - a).mean() for a, b in pairwise(alphas)])


@pytest.mark.parametrize("gain", [1.0, 0.25])
def test_scenes_that_are_cut_each_second_are_right_on_every_frame(gain):
    film = dimmed(footage("cuts", 75), gain)
    matting = tracked(TruthSegmenter(film))
    told = run(matting, film)
    assert matting.statistics()["scenes"] == 3
    assert errors(told, film).max() < 0.006


def test_with_nobody_there_mattes_are_empty_whatever_the_model_imagines():
    film = footage("nobody", 80)

    def imagines(index, out):
        """Faint blobs, wherever it looks."""
        blobs = np.random.default_rng(index).integers(0, 3, (4, 5))
        out[:] = np.kron(blobs, np.ones((60, 80)))[: out.shape[0], : out.shape[1]] * 60

    model = TruthSegmenter(film, spoil=imagines)
    told = run(tracked(model), film)
    assert all(one.origin == "empty" and not one.alpha.any() for one in told)
    assert len(model.frames_seen) <= 4


@pytest.mark.parametrize("name", ["covered", "lights"])
def test_without_sight_or_light_mattes_are_empty_and_the_model_rests(name):
    film = footage(name, 90)
    model = TruthSegmenter(film)
    told = run(tracked(model), film)
    assert not any(one.alpha.any() for one in told[34:58])
    assert not {*model.frames_seen} & {*range(34, 58)}
    wrong = errors(told, film) > 0.01
    assert not any(one.alpha.any() for one, is_wrong in zip(told, wrong, strict=True) if is_wrong)
    assert not wrong[:29].any()
    assert not wrong[66:].any(), "back at once"


def test_one_who_crosses_the_frame_in_a_moment_is_shown_right_or_not_at_all():
    film = footage("fast", 90)
    told = run(tracked(TruthSegmenter(film)), film)
    right = errors(told, film) < 0.012
    for one, is_right in zip(told, right, strict=True):
        assert is_right or not one.alpha.any(), one.index
    assert leaks(told, film).max() < 0.002
    assert right[16:24].mean() > 0.7, "mostly it is found"


def garbage(out):
    out[:] = 255
    out[: out.shape[0] // 2] = 0


@pytest.mark.parametrize("whole_s", [60.0, 0.1])
@pytest.mark.parametrize("answer", ["empty", "full", "garbage"])
def test_a_single_wrong_answer_does_not_show(answer, whole_s):
    """Of the crops or of the whole frame; the first answer to each of three frames is wrong."""
    film = footage("talking", 60)
    pending = {12, 24, 48}

    def wrong_once(index, out):
        if index in pending:
            pending.remove(index)
            garbage(out) if answer == "garbage" else out.fill(255 * (answer == "full"))

    told = run(tracked(TruthSegmenter(film, spoil=wrong_once), whole_s=whole_s), film)
    assert not pending
    assert errors(told, film).max() < 0.006


def test_a_model_that_fails_is_an_error():
    film = footage("moving", 30)

    def fails(index):
        if index >= 12:
            raise SegmentError("truth: out of order")

    matting = tracked(TruthSegmenter(film, on_segment=fails))
    with pytest.raises(SegmentError, match="out of order"):
        run(matting, film)
    matting.close()


def test_nothing_of_an_epoch_is_left_in_the_next():
    before, film = footage("moving", 20), footage("nobody", 20)
    matting = tracked(TruthSegmenter(before + film))
    run(matting, before, epoch=0)
    assert not any(one.alpha.any() for one in run(matting, film, epoch=1))


def test_an_epoch_may_have_another_size():
    small, large = footage("moving", 15), footage("moving", 15, width=384)
    matting = tracked(TruthSegmenter(small + large))
    for epoch, film in enumerate((small, large, small)):
        assert errors(run(matting, film, epoch=epoch), film).max() < 0.01


def test_a_model_whose_input_is_not_square_will_do():
    film = footage("moving", 30)
    model = TruthSegmenter(film)
    model.sizes = ((144, 256),)
    model.info = replace(model.info, input_size=(144, 256))
    assert errors(run(tracked(model), film), film).max() < 0.006


def test_it_closes_its_model():
    model = TruthSegmenter(footage("still", 1))
    matting = tracked(model)
    matting.close()
    matting.close()
    assert model.closed


def test_nothing_of_a_frames_size_is_allocated_once_it_runs():
    wide = footage("moving", 2, width=1280)
    film = [wide.frame(n % 2) for n in range(60)]
    alphas = [np.empty((720, 1280), np.uint8) for _ in range(30)]
    matting = Tracked(
        FakeSegmenter(sides=(256, 512)),
        MattingConfig(mode="tracked", max_interval=4, whole_s=0.5),
        live=False,
    )
    for index in range(30):
        matting.matte(replace_index(film[index], index), alphas[index])
    with allocating() as growth:
        for index in range(30, 60):
            matting.matte(replace_index(film[index], index), alphas[index - 30])
    matting.close()
    assert matting.statistics()["key_frames"] > 10
    assert growth.peak < 720 * 1280


def replace_index(frame, index):
    return replace(frame, stamp=replace(frame.stamp, index=index, pts=index))


def test_before_grass_edges_move_with_the_subject_and_nothing_of_the_grass_does():
    film = footage("file-texture", 40, width=640)
    model = TruthSegmenter(film)
    told = run(tracked(model), film)
    assert errors(told, film).mean() < 0.002
    assert leaks(told, film).max() < 0.005
    assert len(model.seen) <= 40 / 4


def test_the_last_frames_of_a_scene_and_of_a_file_rest_on_a_key_frame_too():
    film = footage("file-ends", 48)
    model = TruthSegmenter(film)
    told = run(tracked(model), film)
    assert {16, 33, 47} <= set(model.frames_seen)
    assert errors(told, film).max() < 0.015


def test_who_comes_into_an_empty_room_is_in_the_mattes_at_once():
    film = footage("file-reentering", 48)
    told = run(tracked(TruthSegmenter(film)), film)
    assert errors(told, film)[20:].max() < 0.02


def test_somebody_far_away_has_a_matte():
    film = footage("file-small", 24, width=1280)
    told = run(tracked(TruthSegmenter(film)), film)
    assert all(one.alpha.any() for one in told)
    assert errors(told, film).max() < 0.0002


def test_where_nothing_can_be_carried_it_takes_hardly_more_of_the_model_than_every_frame():
    random = np.random.default_rng(2)
    still = footage("file-strobe", 48)
    shaken = [np.roll(one, tuple(random.integers(-60, 60, 2)), (0, 1)) for one in still.images]
    alpha = np.zeros(shaken[0].shape[:2], np.uint8)
    alpha[40:, 80:180] = 255
    film = Footage(shaken, [alpha] * len(shaken))
    model = TruthSegmenter(film)
    told = run(tracked(model), film)
    spent = sum(side**2 for _, side in model.seen) / max(model.sizes[-1]) ** 2
    assert len(model.frames_seen) > 40, "nothing can be carried here"
    assert spent <= 1.2 * len(told)
