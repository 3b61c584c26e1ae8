import cv2
import numpy as np
import pytest

from training import samples as samples_module
from training.cues import CUES, CUES_SIZE
from training.drawing import Sprite, lay, placed
from training.samples import (
    AGES,
    FRAMES_PER_SCENE,
    Carrying,
    as_the_model_says,
    key_of,
    samples_of,
)
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


@pytest.mark.parametrize("taken", [0.0, 1.0])
def test_a_key_may_take_who_passes_for_a_subject(monkeypatch, taken):
    monkeypatch.setattr(samples_module, "_TAKEN", taken)
    monkeypatch.setattr(samples_module, "as_the_model_says", lambda alpha, random: alpha)
    more = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        scene = Scene(random)
        alpha = scene.frame(0)[1]
        said = key_of(scene, alpha, random)
        assert (said >= alpha).all()
        more.append((said > alpha).mean() > 0.005)
    assert sum(more) >= 10 if taken else not any(more)
