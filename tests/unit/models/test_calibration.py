"""Which pictures are calibrated on and which prove, and what is cut out of them."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.errors import ModelError
from streamer.models.optimizing.calibration import PROOFS, WHOLE, Eye, divide, spread, subject
from streamer.models.store.registry import Contract


def images(count: int) -> list[np.ndarray]:
    return [np.full((4, 6, 3), number, np.uint8) for number in range(count)]


@pytest.mark.parametrize("count", [2, 3, 10, 90])
def test_no_picture_proves_what_was_calibrated_on_it(count: int) -> None:
    pictures = divide(images(count), "clip.mp4", list)
    calibration = {int(image[0, 0, 0]) for image in pictures.calibration}
    proof = {int(image[0, 0, 0]) for image in pictures.proof}
    assert calibration
    assert proof
    assert not calibration & proof
    assert len(calibration) <= WHOLE
    assert len(proof) <= PROOFS


def test_a_single_picture_is_proved_on_others() -> None:
    spare = images(3)[1:]
    pictures = divide(images(1), "cat.png", lambda: spare)
    assert len(pictures.calibration) == 1
    assert pictures.proof == spare


def test_no_picture_at_all_is_an_error() -> None:
    with pytest.raises(ModelError, match=r"--calibrate empty/: gives no picture"):
        divide([], "empty/", lambda: images(2))


def test_long_clips_are_taken_from_evenly() -> None:
    assert [int(image[0, 0, 0]) for image in spread(images(9), 3)] == [0, 4, 8]


def test_the_digest_tells_other_pictures_apart() -> None:
    assert divide(images(5), "a", list).digest() == divide(images(5), "b", list).digest()
    assert divide(images(5), "a", list).digest() != divide(images(6), "a", list).digest()


def test_a_crop_holds_the_subject_and_a_margin() -> None:
    image = np.zeros((200, 400, 3), np.uint8)
    coverage = np.zeros((100, 100), np.float32)
    coverage[40:60, 20:40] = 1
    crop = subject(image, coverage)
    assert crop is not None
    assert crop.shape == (52, 104, 3)  # 40 rows and 80 columns with 15 % on each side


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_where_there_is_nothing_to_cut_away_there_is_no_crop(level: float) -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    assert subject(image, np.full((10, 10), level, np.float32)) is None


def test_logits_become_coverage() -> None:
    contract = Contract(None, None, None, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), logits=True)
    coverage = Eye(contract, (2, 2)).coverage(np.array([[[[-1000, 0], [0, 1000]]]], np.float32))
    np.testing.assert_allclose(coverage, [[0, 0.5], [0.5, 1]], atol=1e-6)
