import numpy as np
import pytest

from streamer.evaluation import clip_names, make_clip
from streamer.evaluation.scenery import Camera

SIZE = {"width": 320, "height": 180}


def family(name, **more):
    return make_clip(f"file-{name}", **{**SIZE, **more})


@pytest.mark.parametrize("name", clip_names("families"))
def test_every_family_has_its_subject_within_its_frames(name):
    clip = make_clip(name, **SIZE)
    assert clip.frames == 48
    assert clip.frame(24).shape == (clip.height, clip.width, 3)
    assert any(clip.alpha(index).max() > 200 for index in (10, 24, 44))


def test_other_seeds_are_other_subjects_before_other_places():
    scenes = [family("texture", seed=seed).scenes[0][1] for seed in range(5)]
    assert len({scene.backdrop.tobytes() for scene in scenes}) > 1
    assert len({scene.actors[0].sprite.lit.tobytes() for scene in scenes}) > 1


@pytest.mark.parametrize("name", ["texture-5fps", "texture-60fps", "strobe"])
def test_at_another_rate_and_in_another_light_person_and_place_are_the_same(name):
    usual, other = family("texture"), family(name)
    for scene, like in zip(other.scenes, usual.scenes, strict=True):
        assert np.array_equal(scene[1].backdrop, like[1].backdrop)
        assert np.array_equal(scene[1].actors[0].sprite.lit, like[1].actors[0].sprite.lit)


def test_an_overlay_hides_the_subject_and_its_words_run():
    clip = family("ticker")
    clip.camera = Camera(noise=0)
    bar = np.s_[160:174]
    assert not clip.alpha(5)[bar].any()
    assert clip.alpha(5)[150].any()
    assert clip.alpha(5)[178].any()
    now, later = clip.frame(5)[bar], clip.frame(25)[bar]
    moved = round(20 * 5 / 1280 * 320)
    assert np.abs(now.astype(int) - later).mean() > 5
    assert np.abs(now[:, moved:].astype(int) - later[:, :-moved]).mean() < 4
    assert not clip.motion(25).subject[bar][:, :100].any()


def test_a_camera_that_zooms_makes_subject_and_room_larger():
    clip = family("zoom")
    shares = [clip.alpha(index).mean() for index in (2, 44)]
    assert shares[1] > 2 * shares[0]
    clip.camera = Camera(noise=0)
    motion = clip.motion(24)
    behind = ~motion.subject & motion.seen
    y, x = np.mgrid[:180, :320]
    out = motion.flow[..., 0] * (x - 160) + motion.flow[..., 1] * (y - 90)
    assert (out[behind & (np.hypot(x - 160, y - 90) > 40)] > 0).all()


def test_a_camera_may_see_no_colours():
    frame = family("grey").frame(7)
    assert np.ptp(frame, axis=2).max() == 0
    assert frame.std() > 10


def test_frames_come_at_the_rate_and_in_the_size_of_the_family():
    rates = [family(name).fps for name in ("texture", "texture-5fps", "texture-60fps")]
    assert rates == [30, 5, 60]
    tiny = make_clip("file-tiny")
    assert tiny.frame(0).shape == (*tiny.alpha(0).shape, 3) == (90, 160, 3)


def test_at_five_frames_a_second_subjects_go_six_times_as_far():
    def step(name):
        alphas = [family(name).alpha(index).astype(int) for index in (0, 1)]
        return np.abs(alphas[1] - alphas[0]).mean()

    assert 3 < step("texture-5fps") / step("texture") < 8


def test_short_scenes_end_between_key_frames():
    clip = family("ends")
    starts = [index for index in range(clip.frames) if clip.cut(index)]
    assert starts == [0, 17, 34]
    assert clip.frames - starts[-1] == 14


def test_in_the_dark_of_a_fade_an_empty_matte_will_do():
    clip = family("fade")
    assert [clip.empty_will_do(index) for index in (0, 25, 47)] == [True, False, True]
    assert clip.frame(0).mean() < 6 < 30 < clip.frame(25).mean()
