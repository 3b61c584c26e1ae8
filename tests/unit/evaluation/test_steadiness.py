import numpy as np
import pytest

from streamer.evaluation.scenery import Actor, Pose, Scene
from streamer.evaluation.steadiness import edge_lag_px, flicker, still
from streamer.evaluation.subjects import figure
from streamer.evaluation.truth import Clip, Motion

WIDE, TALL = 240, 136


def mover(speed, *, degrees=0.0):
    """A drawn figure that moves by *speed* pixels a frame to the right and turns."""
    sprite = figure(180, np.random.default_rng(0))
    actor = Actor(sprite, lambda t: Pose(0.3 + speed * t / WIDE, 0.5, 0.8, degrees * t))
    backdrop = np.full((TALL + 40, WIDE + 40, 3), 128, np.uint8)
    scenes = [(0, Scene(backdrop, (actor,)))]
    return Clip("mover", "", "normal", WIDE, TALL, 30, 0, scenes)


def test_the_truth_neither_flickers_nor_trails():
    clip = mover(3.3)
    for index in (4, 9):
        truth, before, motion = clip.alpha(index), clip.alpha(index - 1), clip.motion(index)
        assert flicker(truth, before, truth, before, motion) == 0
        assert edge_lag_px(truth, truth, motion) == 0


def test_a_truth_that_is_one_frame_late_trails_by_one_step():
    clip = mover(3)
    lag = edge_lag_px(clip.alpha(8), clip.alpha(9), clip.motion(9))
    assert lag == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize(("frames", "speed"), [(1, 1.4), (2, 2.6), (3, -4.0), (-1, 2.5)])
def test_the_lag_has_fractions_and_follows_the_way_of_the_motion(frames, speed):
    clip = mover(speed)
    lag = edge_lag_px(clip.alpha(9 - frames), clip.alpha(9), clip.motion(9))
    assert lag == pytest.approx(frames * abs(speed), abs=0.15)


def test_a_turning_subject_trails_too():
    clip = mover(0, degrees=4)
    assert 1 < edge_lag_px(clip.alpha(8), clip.alpha(9), clip.motion(9)) < 4


def test_an_edge_that_runs_along_the_motion_has_no_lag():
    """A disc that turns looks the same at any angle."""
    y, x = np.mgrid[:TALL, :WIDE].astype(np.float32) - 60
    disc = np.where(np.hypot(x, y) < 30, 255, 0).astype(np.uint8)
    turning = Motion(0.1 * np.dstack([-y, x]), np.ones_like(disc, bool), np.hypot(x, y) < 60)
    assert edge_lag_px(disc, disc, turning) is None


def test_there_is_no_lag_where_nothing_moves_or_nothing_was_found():
    slow = mover(0.2)
    assert edge_lag_px(slow.alpha(1), slow.alpha(2), slow.motion(2)) is None
    clip = mover(3)
    nothing = np.zeros((TALL, WIDE), np.uint8)
    assert edge_lag_px(nothing, clip.alpha(9), clip.motion(9)) is None
    assert edge_lag_px(nothing + 255, clip.alpha(9), clip.motion(9)) is None


def test_an_error_that_moves_with_its_subject_does_not_flicker():
    clip = mover(4)
    half = [clip.alpha(index) // 2 for index in (8, 9)]
    moved = flicker(half[1], half[0], clip.alpha(9), clip.alpha(8), clip.motion(9))
    alone = flicker(half[0], half[0], clip.alpha(9), clip.alpha(8), clip.motion(9))
    assert moved < 0.05 < 1 < alone


def test_flicker_of_a_still_subject_is_its_mean_change():
    truth = np.zeros((10, 10), np.uint8)
    now = truth.copy()
    now[:5] = 51
    assert flicker(now, truth, truth, truth, still(10, 10)) == pytest.approx(0.5 * 0.2 * 1e3)


def test_what_was_hidden_before_does_not_count_as_flicker():
    before, now = np.zeros((10, 10), np.uint8), np.full((10, 10), 255, np.uint8)
    seen = np.zeros((10, 10), bool)
    motion = Motion(np.zeros((10, 10, 2), np.float32), seen, seen)
    assert flicker(now, before, before, before, motion) == 0
