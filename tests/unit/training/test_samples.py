import cv2
import numpy as np
import pytest

from training.cues import CUES, CUES_SIZE
from training.drawing import Sprite, lay, placed
from training.samples import AGES, FRAMES_PER_SCENE, Carrying, as_the_model_says, samples_of
from training.scenes import SIZE, Scene

CARRIED, RESIDUAL, AGE = 3, 4, 8


def errors(samples):
    return [np.abs(one.cues[CARRIED].astype(float) - one.truth / 255).mean() for one in samples]


def test_a_scene_gives_frames_after_its_key_in_order():
    samples = samples_of(np.random.default_rng(1))
    ages = [one.age for one in samples]
    assert len(samples) == FRAMES_PER_SCENE
    assert ages == sorted(ages)
    assert ages[0] >= 1
    for one in samples:
        assert one.cues.shape == (CUES, *CUES_SIZE)
        assert one.truth.shape == CUES_SIZE
        assert np.isfinite(one.cues).all()
        assert one.cues[AGE].max() == pytest.approx(min(one.age, 60) / 60, abs=1e-3)


def test_what_is_carried_is_near_the_truth_soon_after_the_key_and_farther_from_it_later():
    young, old = [], []
    for seed in range(12):
        found = errors(samples_of(np.random.default_rng(seed), AGES))
        young.append(found[0])
        old.append(found[-1])
    assert np.mean(young) < 0.4 * np.mean(old)


def test_an_alpha_is_carried_with_the_picture():
    random = np.random.default_rng(0)
    wall = cv2.GaussianBlur(random.random((*SIZE, 3)).astype(np.float32), (0, 0), 3)
    lit = np.zeros((192, 192, 4), np.float32)
    lit[60:130, 60:130, :3] = cv2.GaussianBlur(random.random((70, 70, 3)), (0, 0), 2)
    lit[60:130, 60:130, 3] = 1
    sprite = Sprite.of(lit, (96, 96))

    def frame(x):
        picture, alpha = wall.copy(), np.zeros(SIZE, np.float32)
        lay(picture, sprite, placed(sprite, x, 90, 0.9, 0), alpha)
        return (picture * 255).astype(np.uint8), (alpha * 255).astype(np.uint8)

    picture, alpha = frame(100)
    carrying = Carrying(picture, alpha)
    for x in (103, 106, 109):
        now, truth = frame(x)
        carrying.follow(now)
    cues = carrying.cues(now, 3)
    small = cv2.resize(truth, CUES_SIZE[::-1], interpolation=cv2.INTER_AREA) / 255
    unmoved = np.abs(cues[10].astype(float) - small).mean()
    assert np.abs(cues[CARRIED].astype(float) - small).mean() < 0.2 * unmoved


def test_a_key_is_as_imperfect_as_the_models():
    alpha = np.zeros(SIZE, np.uint8)
    cv2.circle(alpha, (160, 90), 50, 255, -1)
    said = [as_the_model_says(alpha, np.random.default_rng(seed)) for seed in range(40)]
    off = [np.abs(one.astype(int) - alpha).mean() / 255 for one in said]
    assert 0.3 < np.mean([gap == 0 for gap in off]) < 0.7
    assert max(off) < 0.06


def test_now_and_then_a_key_takes_who_passes_for_a_subject():
    others = [Scene(np.random.default_rng(seed)).neighbour(0) for seed in range(40)]
    assert 5 < sum((other > 127).mean() > 0.02 for other in others) < 35, "not every scene has one"
    wrong = 0
    for seed in range(40):
        first = samples_of(np.random.default_rng(seed))[0]
        wrong += first.age <= 4 and ((first.cues[CARRIED] > 0.5) & (first.truth < 10)).mean() > 0.02
    assert 3 < wrong < 25
