"""Tracked matting of live streams: frames do not wait, answers come for frames long gone."""

import threading
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from streamer.config import MattingConfig
from streamer.errors import SegmentError
from streamer.frame import Frame, Stamp
from streamer.matting import Tracked
from tests.unit.matting.tracking.footage import (
    SIZE,
    Footage,
    Later,
    TruthSegmenter,
    dimmed,
    errors,
    footage,
    leaks,
    run,
)


def live(film: Footage | TruthSegmenter, asking: Later | int = 5, **settings) -> Tracked:
    """Tracks live; the model's answers come so many frames later."""
    model = film if isinstance(film, TruthSegmenter) else TruthSegmenter(film)
    matting = Tracked(model, MattingConfig(mode="tracked", **settings), live=True)
    matting._asking = Later(asking) if isinstance(asking, int) else asking
    return matting


@pytest.mark.parametrize("late", [0, 3, 8])
def test_the_picture_never_waits(late):
    film = footage("moving", 40)
    matting = live(film, late)
    assert matting.delay == 0
    told = run(matting, film)
    assert [one.after for one in told] == [0] * 40
    assert [one.origin for one in told[:late]] == ["empty"] * late
    assert "empty" not in [one.origin for one in told[late:]]


@pytest.mark.parametrize(
    ("name", "late", "limit"),
    [
        ("talking", 5, 0.002),
        ("talking", 10, 0.002),
        ("moving", 5, 0.003),
        ("moving", 10, 0.004),
        ("scaling", 5, 0.006),
        ("strands", 5, 0.01),
        ("shaking", 5, 0.006),
        ("panning", 5, 0.007),
    ],
)
def test_mattes_are_of_their_own_frames_however_late_the_answers_are(name, late, limit):
    film = footage(name, 45)
    told = run(live(film, late), film)[late:]
    assert errors(told, film).mean() < limit
    stale = [replace(one, alpha=film.alphas[one.index - late]) for one in told]
    assert errors(told, film).mean() < errors(stale, film).mean() / 2


@pytest.mark.parametrize("name", ["scaling", "crossing", "shaking"])
def test_a_delay_makes_mattes_better(name):
    film = footage(name, 50)
    at_once, delayed = (run(live(film, 5, delay_frames=frames), film) for frames in (0, 6))
    assert errors(delayed[6:], film).mean() < 0.75 * errors(at_once[6:], film).mean()
    assert not any(one.origin == "empty" for one in delayed), "the first too have their mattes"


@pytest.mark.parametrize("name", ["cuts", "covered"])
def test_the_delay_is_the_same_for_every_frame(name):
    """Also where a scene ends, or there is nothing to see; all but the last, which are flushed."""
    film = footage(name, 75)
    matting = live(film, 5, delay_frames=6)
    assert matting.delay == 6
    told = run(matting, film)
    assert {one.after for one in told[:-6]} == {6}


@pytest.mark.parametrize("late", [0, 2])
def test_a_long_delay_may_span_many_key_frames(late):
    film = footage("moving", 40)
    told = run(live(film, late, delay_frames=30, max_interval=1), film)
    assert errors(told, film).max() < 0.004


@pytest.mark.parametrize("delay_frames", [0, 6])
@pytest.mark.parametrize("name", ["scaling", "strands"])
def test_after_a_key_frame_mattes_do_not_fall_back_to_the_one_before(name, delay_frames):
    """A fresh answer in time for its own frame holds for the frames after it too."""
    film = footage(name, 50)
    model = TruthSegmenter(film)
    late = 3 if delay_frames else 0
    off = errors(run(live(model, late, delay_frames=delay_frames), film), film)
    for key in model.frames_seen[1:-1]:
        assert off[key + 1] < max(off[key - 1], 0.002)


@pytest.mark.parametrize("delay_frames", [0, 6])
@pytest.mark.parametrize("gain", [1.0, 0.25])
def test_after_a_cut_mattes_are_empty_until_the_model_has_answered(gain, delay_frames):
    film = dimmed(footage("cuts", 75), gain)
    told = run(live(film, 4, delay_frames=delay_frames), film)
    for first in (30, 60):
        blank = [one.index for one in told[first : first + 15] if one.origin == "empty"]
        if delay_frames:
            assert not blank, "the answer came before they were shown"
        else:
            # The question of the scene before may have to be answered first.
            assert 4 <= len(blank) <= 8
            assert blank == list(range(first, first + len(blank)))
    assert leaks(told, film).max() < 0.006, "the old scene's matte is never shown"


def test_an_answer_for_the_scene_before_is_dropped():
    film = footage("moving", 5) + footage("nobody", 20)
    told = run(live(film, 8), film)
    assert not any(one.alpha.any() for one in told)


def test_a_subject_stays_while_another_picture_is_behind_it_in_each_frame():
    """A window of a train, a screen: no flow explains it, and the one before it goes on."""
    calm = footage("talking", 50)
    street = footage("rotating", 1).images[0]
    turns = (street, street[::-1], street[:, ::-1], street[::-1, ::-1])
    images = []
    for index, (image, alpha) in enumerate(zip(calm.images, calm.alphas, strict=True)):
        other = turns[index % 4]
        share = (cv2.dilate(alpha, np.ones((5, 5), np.uint8)) / 255.0)[..., None]
        images.append(np.rint(image * share + other * (1 - share)).astype(np.uint8))
    film = Footage(images, calm.alphas)
    told = run(live(film, 6), film)
    assert not any(one.origin == "empty" for one in told[10:])
    assert errors(told[16:], film).mean() < 0.03


@pytest.mark.parametrize(("blind", "shown_by"), [((0, 1), 45), ((30, 75), 100)])
def test_one_who_sits_still_and_was_missed_is_shown_soon_after_they_are_found(blind, shown_by):
    """They are not taken for the room, though it looked so while nobody was found."""
    still = footage("still", 1)
    film = Footage(still.images * 130, still.alphas * 130)
    model = TruthSegmenter(film)
    matting = live(model, 5)
    missing = range(*blind)
    shown = []
    for index in range(len(film)):
        model._spoil = lambda _, out, gone=index in missing: out.fill(0) if gone else None
        alpha = np.empty(SIZE, np.uint8)
        (matte,) = matting.matte(film.frame(index), alpha)
        shown.append(bool(matte.alpha.any()))
    assert all(shown[shown_by:])


@pytest.mark.parametrize("late", [6, 15])
def test_who_comes_back_is_shown_at_once(late):
    """The model needs a while to see them; the room and their colours are known."""
    out = footage("leaving", 50)
    gone = Footage(out.images[-1:] * 60, out.alphas[-1:] * 60, out.fps)
    back = Footage(out.images[::-1], out.alphas[::-1], out.fps)
    film = out + gone + back
    told = run(live(film, late), film)
    here = [one for one in told[110:] if film.alphas[one.index].mean() > 0.02 * 255]
    assert len(here) > 20
    assert not [one.index for one in here if one.origin == "empty"]
    assert leaks(told, film).max() < 0.01


@pytest.mark.parametrize("late", [8, 12])
def test_one_who_stays_is_not_dropped_when_a_larger_one_leaves_in_a_hurry(late):
    """What was behind them was never seen, so the room cannot say that they are there."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    room = (110 + 50 * np.sin(rows / 9) * np.cos(columns / 7)).astype(np.uint8)
    images, alphas = [], []
    for index in range(100):
        image, alpha = np.repeat(room[..., None], 3, axis=2), np.zeros(SIZE, np.uint8)
        left = 110 + 8 * max(0, index - 66)
        for place, colour in (
            (np.s_[70:144, 20:55], (40, 60, 200)),
            (np.s_[20:144, left : left + 110], (200, 60, 40)),
        ):
            image[place], alpha[place] = colour, 255
        images.append(image)
        alphas.append(alpha)
    told = run(live(Footage(images, alphas), late), Footage(images, alphas))
    stays = [one.alpha[80:140, 25:50].mean() / 255 for one in told[late + 6 :]]
    assert min(stays) > 0.5


def test_what_has_the_colours_of_who_left_is_not_shown_for_long_where_it_is_nobody():
    """A door that opens on a coat: the model is asked twice."""
    out = footage("leaving", 50)
    coat = np.median(out.images[0][out.alphas[0] > 250], axis=0)
    door = out.images[-1].copy()
    door[20:100, 60:110] = coat
    nobody = np.zeros_like(out.alphas[-1])
    late = 6
    shut = Footage([out.images[-1]] * 60, [nobody] * 60, out.fps)
    opened = Footage([door] * 90, [nobody] * 90, out.fps)
    told = run(live(out + shut + opened, late), out + shut + opened)
    shown = [one.index - 110 for one in told[110:] if one.alpha.any()]
    assert shown, "else the test says nothing"
    assert max(shown) < 4 * late


@pytest.mark.parametrize("name", ["nobody", "covered", "lights"])
def test_where_nobody_is_to_be_seen_nothing_is_shown(name):
    film = footage(name, 70)
    told = run(live(film, 4), film)
    assert leaks(told, film).max() < 0.002
    start = 0 if name == "nobody" else 34
    assert not any(one.alpha.any() for one in told[start:58])


@pytest.mark.parametrize("delay_frames", [0, 6])
@pytest.mark.parametrize("late", [0, 5])
def test_one_who_crosses_the_frame_in_a_moment_leaves_no_trail(late, delay_frames):
    film = footage("fast", 70)
    told = run(live(film, late, delay_frames=delay_frames), film)
    assert leaks(told, film).max() < 0.01


def test_a_subject_that_left_is_not_shown_although_the_model_imagines():
    film = footage("leaving", 50)

    def hazy(_, out):
        np.maximum(out, 6, out=out)

    told = run(live(TruthSegmenter(film, spoil=hazy)), film)
    assert leaks(told, film).max() < 0.008
    assert not any(one.alpha.any() for one in told[46:])


def test_a_model_that_hangs_is_not_trusted_for_ever():
    film = footage("still", 1)

    class Hung(Later):
        def answer(self):
            return None if self._question and self._question[0].number else super().answer()

    matting = live(film, Hung(0), refresh_s=2.0)
    origins = []
    for second in range(20):
        stamp = Stamp(second, second, Fraction(1), 0, 0)
        alpha = np.empty(SIZE, np.uint8)
        origins.append(matting.matte(Frame(film.images[0], stamp), alpha)[0].origin)
        assert alpha.any() == (origins[-1] != "empty")
    assert origins[:4] == ["inferred"] + ["propagated"] * 3
    assert origins[-8:] == ["empty"] * 8


def test_nothing_of_an_epoch_is_left_in_the_next_not_even_a_late_answer():
    before, film = footage("moving", 12), footage("nobody", 30)
    model = TruthSegmenter(before + film)
    matting = live(model, 4)
    for index in range(12):  # a question is under way when it ends
        matting.matte(before.frame(index), np.empty(SIZE, np.uint8))
    matting.flush()
    matting._asking.frames = 2
    told = run(matting, film, epoch=1)
    assert not any(one.alpha.any() for one in told)


def test_an_epoch_of_another_size_begins_while_the_model_is_still_at_the_last():
    small, large = footage("moving", 3), footage("moving", 30, width=384)
    matting = live(small + large, 6)
    run(matting, small)
    told = run(matting, large, epoch=1)
    assert errors(told[14:], large).max() < 0.01


def background(film: Footage, on_segment, **settings) -> Tracked:
    model = TruthSegmenter(film, on_segment=on_segment)
    return Tracked(model, MattingConfig(mode="tracked", **settings), live=True)


def test_a_slow_model_does_not_hold_up_the_frames():
    film = footage("moving", 30)
    begun, may_end = threading.Event(), threading.Event()

    def slow(_):
        begun.set()
        assert may_end.wait(10)

    matting = background(film, slow)
    mattes = [
        matting.matte(film.frame(n), np.empty(SIZE, np.uint8))[0] for n in range(20)
    ]  # would not end if it waited
    assert begun.wait(10)
    assert {matte.origin for matte in mattes} == {"empty"}
    may_end.set()
    pause = threading.Event()
    for n in range(20, 2000):
        stamp = replace(film.frame(20).stamp, index=n, pts=n)
        (matte,) = matting.matte(Frame(film.images[20], stamp), np.empty(SIZE, np.uint8))
        if matte.origin != "empty":
            break
        pause.wait(0.005)
    assert errors_of(matte, film, 20) < 0.01
    matting.close()


def errors_of(matte, film: Footage, index: int) -> float:
    return float(np.abs(matte.alpha.astype(int) - film.alphas[index]).mean()) / 255


def test_a_model_that_fails_in_its_thread_is_an_error():
    film = footage("moving", 2)

    def fails(_):
        raise SegmentError("truth: out of order")

    matting = background(film, fails)
    pause = threading.Event()

    def frames_go_on():
        for n in range(2000):
            stamp = replace(film.frame(0).stamp, index=n, pts=n)
            matting.matte(Frame(film.images[0], stamp), np.empty(SIZE, np.uint8))
            pause.wait(0.005)

    with pytest.raises(SegmentError, match="out of order"):
        frames_go_on()
    matting.close()


def test_it_closes_while_the_model_is_at_work():
    film = footage("moving", 2)
    begun, may_end = threading.Event(), threading.Event()

    def slow(_):
        begun.set()
        assert may_end.wait(10)

    matting = background(film, slow, delay_frames=3)
    matting.matte(film.frame(0), np.empty(SIZE, np.uint8))
    assert begun.wait(10)
    closing = threading.Thread(target=matting.close)
    closing.start()
    may_end.set()
    closing.join(10)
    assert not closing.is_alive()
