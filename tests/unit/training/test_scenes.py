import numpy as np
import pytest

from training.scenes import SIZE, Scene


def frames(seed, times=(0, 3, 7)):
    scene = Scene(np.random.default_rng(seed))
    return [scene.frame(time) for time in times]


def test_the_same_seed_draws_the_same_scene_to_the_pixel():
    for (one, truth), (other, same) in zip(frames(5), frames(5), strict=True):
        assert (one == other).all()
        assert (truth == same).all()
    assert not (frames(5)[0][0] == frames(6)[0][0]).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_frame_has_a_picture_and_a_truth_of_the_size_that_the_program_tracks_by(seed):
    for picture, truth in frames(seed):
        assert picture.shape == (*SIZE, 3)
        assert truth.shape == SIZE
        assert picture.dtype == truth.dtype == np.uint8


def test_most_scenes_have_a_subject_and_a_room_beside_it():
    covered = [frames(seed, (0,))[0][1].mean() / 255 for seed in range(30)]
    assert sum(0.01 < share < 0.8 for share in covered) >= 20


def test_subjects_move_and_the_truth_moves_with_them():
    moved = 0
    for seed in range(10):
        (_, before), (_, after) = frames(seed, (0, 10))
        moved += bool(np.abs(before.astype(int) - after).mean() > 0.5)
    assert moved >= 5


def test_every_subject_has_its_own_limbs():
    for seed in range(40):
        for parts in Scene(np.random.default_rng(seed))._subjects:
            assert parts[0].owner == -1
            assert all(0 <= part.owner < n for n, part in enumerate(parts) if n)
