from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamer.evaluation import clip_names, make_clip
from streamer.evaluation.scenery import Actor, Camera, Pose, Scene
from streamer.evaluation.subjects import MAKERS
from streamer.evaluation.truth import Clip

LIVE = clip_names("live", "live_moving")
SIZE = {"width": 160, "height": 90}


def a_square(way, looks=None):
    """A grey square of an extra, 40 px wide at a height of 0.4 in frames of 160x100."""
    drawn = np.full((40, 40, 4), (90, 90, 90, 255), np.uint8)
    drawn[::8] = (200, 40, 40, 255)
    sprite = MAKERS["figure"](20, np.random.default_rng(0))
    return Actor(replace(sprite, lit=drawn, anchor=(20.0, 20.0)), way, looks)


def clip_of(scene, **more):
    more = {"camera": Camera(noise=0), **more}
    return Clip("mine", "", "live", 160, 100, 20, 0, [(0, scene)], **more)


def wall(level=128):
    return np.full((140, 224, 3), level, np.uint8)


@pytest.mark.parametrize("name", LIVE)
def test_every_live_clip_has_its_subject_from_the_first_frame_on(name):
    clip = make_clip(name, **SIZE)
    assert clip.frames == 240
    for index in (0, 30):
        alpha = clip.alpha(index)
        assert clip.frame(index).shape == (90, 160, 3)
        assert clip.frame(index).std() > 5
        assert 0.1 < alpha.mean() / 255 < 0.75, index
        assert alpha.max() == 255
    middle = clip.alpha(120).mean() / 255
    assert (middle < 0.02) == (name.removesuffix("-street") in ("webcam-leaving", "webcam-walking"))


def test_live_clips_before_a_still_room_have_nothing_that_moves_behind():
    for name in LIVE:
        clip = make_clip(name, **SIZE)
        assert bool(clip.scenes[0][1].extras) == (clip.kind == "live_moving"), name


@pytest.mark.parametrize("name", ["webcam-waving-street", "webcam-passing", "webcam-monitor"])
def test_a_live_clip_is_the_same_every_time_and_in_any_order(name):
    one, other = make_clip(name, **SIZE), make_clip(name, **SIZE)
    forwards = [(one.frame(index), one.alpha(index)) for index in (3, 40, 80)]
    for place, index in ((2, 80), (0, 3)):
        assert np.array_equal(forwards[place][0], other.frame(index))
        assert np.array_equal(forwards[place][1], other.alpha(index))


def test_other_seeds_show_other_people_in_other_rooms():
    clips = [make_clip("webcam-talking", seed=seed, **SIZE) for seed in (1, 2, 3, 4)]
    for index, clip in enumerate(clips):
        for other in clips[:index]:
            assert np.abs(clip.alpha(0).astype(int) - other.alpha(0)).mean() > 2
            rooms = [each.scenes[0][1].backdrop.astype(int) for each in (clip, other)]
            assert np.abs(rooms[0] - rooms[1]).mean() > 5


def test_other_clips_of_one_seed_show_other_people():
    people = [
        make_clip(f"webcam-{name}", seed=1, **SIZE).scenes[0][1].actors[0].sprite.lit
        for name in ("waving", "standing", "walking")
    ]
    assert not np.array_equal(people[0][-60:, 60:90], people[1][-60:, 60:90])
    assert not np.array_equal(people[1], people[2])


def test_extras_are_in_the_picture_and_not_in_the_truth():
    extra = a_square(lambda t: Pose(0.5 + 0.02 * t, 0.5, 0.4))
    clip = clip_of(Scene(wall(), extras=(extra,)))
    assert not clip.alpha(3).any()
    assert not clip.motion(3).subject.any()
    assert np.abs(clip.frame(3).astype(int) - 128).max() > 30


def test_a_subject_stands_before_the_extras():
    person = Actor(MAKERS["figure"](160, np.random.default_rng(0)), lambda _: Pose(0.5, 0.5, 0.9))
    extra = a_square(lambda _: Pose(0.5, 0.5, 0.4))
    alone, both = (clip_of(Scene(wall(), (person,), extras=extras)) for extras in ((), (extra,)))
    assert np.array_equal(alone.alpha(2), both.alpha(2))
    opaque = both.alpha(2) == 255
    assert np.array_equal(alone.frame(2)[opaque], both.frame(2)[opaque])
    assert not np.array_equal(alone.frame(2), both.frame(2))


def test_the_motion_of_an_extra_is_its_own_and_uncovers_the_wall():
    extra = a_square(lambda t: Pose(0.3 + 4 * t / 160, 0.5, 0.4))
    motion = clip_of(Scene(wall(), extras=(extra,))).motion(5)
    assert motion.flow[50, 68] == pytest.approx((4, 0), abs=1e-3)
    assert motion.flow[50, 120] == pytest.approx((0, 0), abs=1e-3)
    assert motion.seen[50, 68]
    assert not motion.seen[50, 44:48].any()
    assert motion.seen[10].all()


def test_the_picture_carried_along_its_motion_is_the_next_picture():
    clip = make_clip("webcam-handheld-street", width=640, height=360, seed=1)
    clip.camera = Camera(noise=0)
    now, before, motion = clip.frame(31), clip.frame(30), clip.motion(31)
    y, x = np.mgrid[:360, :640].astype(np.float32)
    from_x, from_y = x - motion.flow[..., 0], y - motion.flow[..., 1]
    carried = cv2.remap(before, from_x, from_y, cv2.INTER_LINEAR)
    behind = motion.seen & ~motion.subject
    error = np.abs(now.astype(int) - carried)[behind].mean()
    assert error < 0.5 * np.abs(now.astype(int) - before)[behind].mean()


def test_a_monitor_that_changes_its_picture_stays_where_it_is():
    clip = make_clip("webcam-monitor", width=320, height=180)
    motion = clip.motion(40)
    changed = np.abs(clip.frame(40).astype(int) - clip.frame(39)).max(axis=2) > 40
    assert changed.sum() > 200
    assert motion.seen[changed].mean() > 0.95
    assert np.abs(motion.flow[changed & ~motion.subject]).max() < 0.5


def test_arms_that_wave_move_otherwise_than_the_body_behind_them():
    clip = make_clip("webcam-waving", width=320, height=180)
    speed = np.linalg.norm(clip.motion(84).flow, axis=2)
    body = np.s_[150:170, 150:170]
    assert np.median(speed[body]) < 0.6
    assert speed[clip.alpha(84) == 255].max() > 4


def test_a_white_balance_changes_the_colours_and_not_the_truth():
    clip = make_clip("webcam-exposure", **SIZE)
    clip.camera = replace(clip.camera, noise=0)
    plain, warm = (clip.frame(index).reshape(-1, 3).mean(axis=0) for index in (70, 110))
    assert warm[0] / plain[0] == pytest.approx(0.84, abs=0.03)
    assert warm[2] / plain[2] == pytest.approx(1.12, abs=0.03)
    assert clip.frame(70).mean() < 0.75 * clip.frame(30).mean()
    assert clip.frame(160).mean() > 1.3 * clip.frame(70).mean()


def test_who_passes_behind_counts_as_a_subject():
    clip = make_clip("webcam-passing", **SIZE)
    assert clip.alpha(85).mean() > 1.15 * clip.alpha(0).mean()


def test_clips_go_on_for_as_many_frames_as_are_asked_for():
    assert make_clip("webcam-talking", frames=300, **SIZE).alpha(299).any()
    assert make_clip("still", **SIZE).frames == 90
