import cv2
import numpy as np
import pytest

from streamer.errors import ConfigError
from streamer.evaluation import clip_names, make_clip, pictures
from streamer.evaluation.scenery import Camera

SMALL = {"width": 192, "height": 108}


def small(name, **more):
    return make_clip(name, **{**SMALL, **more})


@pytest.fixture
def no_photographs(monkeypatch):
    """As where scikit-image is not installed."""

    def missing(name):
        raise pictures.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(pictures.importlib.metadata, "files", missing)
    pictures.photograph.cache_clear()
    yield
    pictures.photograph.cache_clear()


@pytest.mark.parametrize("name", clip_names())
def test_every_clip_has_a_picture_and_a_truth_of_the_size_that_was_asked_for(name):
    clip = small(name, frames=8)
    # An eighth, but never below what a film may be.
    size = (32, 32) if name == "file-tiny" else (108, 192)
    for index in (0, 7):
        assert clip.frame(index).shape == (*size, 3)
        assert clip.alpha(index).shape == size
        assert clip.frame(index).dtype == clip.alpha(index).dtype == np.uint8
    with pytest.raises(IndexError, match="has no frame 8"):
        clip.frame(8)


@pytest.mark.parametrize("name", ["moving", "compressed", "shaking", "crossing"])
def test_a_clip_is_the_same_every_time_and_in_any_order(name):
    one, other = small(name, frames=6), small(name, frames=6)
    forwards = [one.frame(index) for index in range(6)]
    for index in (5, 0, 3):
        assert np.array_equal(forwards[index], other.frame(index))
        assert np.array_equal(one.alpha(index), other.alpha(index))
    assert not np.array_equal(forwards[0], small(name, frames=6, seed=1).frame(0))


def test_without_photographs_everything_is_drawn(no_photographs):
    assert not pictures.has_photographs()
    for name in clip_names():
        clip = small(name, frames=2)
        absent = name in ("nobody", "fast", "file-entering", "file-small")
        assert (clip.alpha(1).mean() > 10) == (not absent), name
        assert clip.frame(1).std() > 3 or name == "file-fade"


def test_the_picture_is_the_subject_weighted_by_exactly_the_truth():
    """Over two backdrops, what shines through is 1 - alpha, whatever the subject's colours."""
    clip = small("strands")
    clip.camera = Camera(noise=0)
    scene = clip.scenes[0][1]
    seen = []
    for level in (0, 255):
        scene.backdrop[:] = level
        seen.append(clip.frame(4).astype(int))
    through = (seen[1] - seen[0]).max(axis=2)
    assert np.abs(through - (255 - clip.alpha(4).astype(int))).max() <= 1


def test_subjects_have_soft_edges_strands_and_holes():
    truth = make_clip("strands", width=640, height=360).alpha(0)
    soft = (truth > 8) & (truth < 247)
    assert soft.sum() > 0.02 * (truth > 127).sum()
    parts = cv2.connectedComponents((truth < 8).astype(np.uint8))[0] - 1
    assert parts >= 3


@pytest.mark.parametrize(
    "name", ["moving", "panning", "rotating", "scaling", "shaking", "fast", "file-zoom"]
)
def test_the_truth_carried_along_its_motion_is_the_next_truth(name):
    clip = make_clip(name, width=640, height=360)
    motion, truth, before = clip.motion(20), clip.alpha(20), clip.alpha(19).astype(np.float32)
    y, x = np.mgrid[:360, :640].astype(np.float32)

    def error(times):
        moved = times * motion.flow
        carried = cv2.remap(before, x - moved[..., 0], y - moved[..., 1], cv2.INTER_LINEAR)
        return np.abs(carried - truth)[motion.seen].mean()

    assert error(1) < 0.5
    assert error(1) < 0.7 * error(0)
    assert error(1) < 0.4 * error(-1)


def test_the_backdrop_moves_as_the_motion_says_it_does():
    clip = make_clip("shaking", width=640, height=360)
    clip.camera = Camera(noise=0)
    now, before, motion = clip.frame(11), clip.frame(10), clip.motion(11)
    behind = ~motion.subject & motion.seen
    y, x = np.mgrid[:360, :640].astype(np.float32)
    from_x, from_y = x - motion.flow[..., 0], y - motion.flow[..., 1]
    carried = cv2.remap(before, from_x, from_y, cv2.INTER_LINEAR)
    assert np.abs(motion.flow[behind]).max() > 0.3
    still = np.abs(now.astype(int) - before)[behind].mean()
    assert np.abs(now.astype(int) - carried)[behind].mean() < still / 2


def test_who_leaves_is_gone_and_comes_back():
    clip = small("leaving")
    shares = [clip.alpha(index).mean() / 255 for index in (0, 42, 89)]
    assert shares[0] > 0.15
    assert shares[1] == 0
    assert shares[2] == pytest.approx(shares[0], rel=0.05)


def test_two_who_cross_are_apart_then_before_each_other_then_apart():
    clip = small("crossing")

    def parts(index):
        mask = cv2.morphologyEx(
            (clip.alpha(index) > 127).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)
        )
        return cv2.connectedComponents(mask)[0] - 1

    assert [parts(index) for index in (0, 45)] == [2, 1]
    uncovered = ~clip.motion(45).seen
    assert 0 < uncovered.mean() < 0.3


def test_the_fast_one_crosses_the_whole_picture_in_0_3_s():
    clip = small("fast")
    there = [clip.alpha(index).any() for index in range(40)]
    assert 5 <= sum(there) <= 9
    assert clip.alpha(19).max() == 255


def test_a_scene_cut_has_no_motion_and_another_truth():
    clip = small("cuts")
    assert [index for index in range(90) if clip.cut(index)] == [0, 30, 60]
    assert clip.motion(30) is None
    assert clip.motion(31) is not None
    assert np.abs(clip.alpha(30).astype(int) - clip.alpha(29)).mean() > 20


def test_in_the_dark_an_empty_matte_is_right_too_and_with_light_it_is_not():
    clip = small("lights")
    assert clip.frame(45).mean() < 8 < 40 < clip.frame(10).mean()
    assert [clip.empty_will_do(index) for index in (10, 45, 75)] == [False, True, False]
    assert clip.alpha(45).any()


def test_a_covered_lens_shows_nobody():
    clip = small("covered")
    assert clip.frame(45).mean() < 20
    assert not clip.alpha(45).any()
    assert clip.alpha(20).any()
    assert clip.motion(60) is None


def test_compression_leaves_its_marks_and_the_picture():
    clean, compressed = small("moving", frames=4), small("compressed", frames=4)
    error = np.abs(clean.frame(3).astype(int) - compressed.frame(3)).mean()
    assert 0.3 < error < 8
    assert np.array_equal(clean.alpha(3), compressed.alpha(3))


def test_an_unknown_clip_or_size_is_refused_with_the_way_out():
    with pytest.raises(ConfigError, match="choose from still, talking"):
        make_clip("nonsense")
    with pytest.raises(ConfigError, match="33x32"):
        make_clip("still", width=33, height=32)
