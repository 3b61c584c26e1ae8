"""Fragments, largest parts and holes: what goes, what stays, and that nothing is left of it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamer.config import RefineConfig
from streamer.refining import Refiner
from streamer.refining.parts import Parts
from tests.unit.refining.alphas import Box, boxes, refined, refiner

SUBJECT: Box = (180, 60, 120, 200)
SPECK: Box = (40, 40, 12, 12)
SPECK_SHARE = 12 * 12 / (480 * 360)


def inside(box: Box, by_px: int = 0) -> tuple[slice, slice]:
    left, top, wide, tall = box
    return (
        slice(max(0, top - by_px), top + tall + by_px),
        slice(max(0, left - by_px), left + wide + by_px),
    )


@pytest.mark.parametrize("size", [(480, 360), (1279, 717), (1280, 720), (1920, 1080)])
@pytest.mark.parametrize("soft_px", [0, 1, 4])
def test_a_fragment_goes_with_its_halo_and_the_subject_stays_as_it_is(
    size: tuple[int, int], soft_px: float
) -> None:
    alpha = boxes(SUBJECT, SPECK, size=size, soft_px=soft_px)
    without = boxes(SUBJECT, size=size, soft_px=soft_px)
    assert (refined(alpha, min_fragment=0.005) == without).all()


def test_a_faint_fragment_goes_too() -> None:
    alpha = boxes(SUBJECT)
    alpha[inside(SPECK)] = 40
    assert (refined(alpha, min_fragment=0.01) == boxes(SUBJECT)).all()


def test_a_fragment_that_is_large_enough_stays() -> None:
    alpha = boxes(SUBJECT, SPECK, soft_px=1)
    assert (refined(alpha, min_fragment=SPECK_SHARE * 0.9) == alpha).all()


@pytest.mark.parametrize("size", [(480, 360), (1280, 720), (1920, 1080), (501, 299)])
def test_the_smallest_that_stays_is_a_share_of_the_frame_at_any_size(size: tuple[int, int]) -> None:
    side = size[1] // 6
    alpha = boxes((size[0] // 3, size[1] // 3, side, side), size=size)
    share = side * side / (size[0] * size[1])
    assert (refined(alpha, min_fragment=share * 0.98) == alpha).all()
    # The rim counts, so a part may seem larger by a shrunken pixel on each side.
    shrink = Parts(size[1], size[0]).shrink
    seeming = ((side + 2 * shrink) / side) ** 2
    assert not refined(alpha, min_fragment=share * seeming * 1.02).any()


def test_a_subject_alone_in_the_middle_stays_and_so_does_one_at_the_border() -> None:
    for subject in (SUBJECT, (0, 100, 100, 260)):
        alpha = boxes(subject, soft_px=2)
        assert (refined(alpha, min_fragment=0.05) == alpha).all()


def test_hair_that_hangs_on_by_faint_strands_is_no_fragment() -> None:
    alpha = boxes(SUBJECT)
    alpha[30:60, 240] = 60
    alpha[20:30, 235:245] = 200
    assert (refined(alpha, min_fragment=0.01) == alpha).all()


def test_only_the_largest_are_kept() -> None:
    alpha = boxes(SUBJECT, SPECK, (350, 200, 60, 60), soft_px=1)
    assert (refined(alpha, keep_largest=3) == alpha).all()
    two = boxes(SUBJECT, (350, 200, 60, 60), soft_px=1)
    assert (refined(alpha, keep_largest=2) == two).all()
    assert (refined(alpha, keep_largest=1) == boxes(SUBJECT, soft_px=1)).all()


@pytest.mark.parametrize("soft_px", [0, 2])
def test_a_small_hole_is_filled_whole_and_a_larger_one_is_not(soft_px: float) -> None:
    expected = boxes(SUBJECT)
    expected[180:240, 210:270] = 0
    alpha = expected.copy()
    alpha[100:110, 200:210] = 0
    if soft_px:
        alpha, expected = (cv2.GaussianBlur(each, (0, 0), soft_px) for each in (alpha, expected))
    assert (refined(alpha, fill_holes=0.005) == expected).all()


def test_a_hole_that_is_only_faint_is_filled() -> None:
    alpha = boxes(SUBJECT)
    alpha[100:110, 200:210] = 200
    assert (refined(alpha, fill_holes=0.005) == boxes(SUBJECT)).all()


def test_a_gap_at_the_frames_border_is_no_hole() -> None:
    alpha = boxes((100, 100, 300, 260))
    alpha[340:, 200:215] = 0
    assert (refined(alpha, fill_holes=0.5) == alpha).all()


def test_the_room_is_no_hole_however_small_it_is() -> None:
    alpha = np.full((100, 200), 255, np.uint8)
    alpha[:30, :30] = 0
    assert (refined(alpha, fill_holes=0.9) == alpha).all()


def flickers(*frames: np.ndarray, epochs: list[int] | None = None, **options: object) -> list[bool]:
    """Whether the speck is there, frame by frame."""
    one = refiner(min_fragment=0.01, **options)
    there = []
    for number, alpha in enumerate(frames):
        one(alpha, epochs[number] if epochs else 0)
        there.append(bool(alpha[:200, :170].any()))
    return there


def with_speck(dx: int = 0, side: int = 12) -> np.ndarray:
    return boxes(SUBJECT, (SPECK[0] + dx, SPECK[1], side, side))


def test_a_fragment_is_dropped_once_it_was_too_small_for_so_many_frames() -> None:
    frames = [with_speck() for _ in range(6)]
    assert flickers(*frames, fragment_frames=3) == [True] * 3 + [False] * 3


def test_a_fragment_that_moves_is_the_same() -> None:
    frames = [with_speck(dx=14 * n) for n in range(6)]
    assert flickers(*frames, fragment_frames=3) == [True] * 3 + [False] * 3


def test_a_fragment_that_was_away_or_large_enough_is_counted_anew() -> None:
    away = [with_speck(), with_speck(), boxes(SUBJECT), with_speck(), with_speck(), with_speck()]
    assert flickers(*away, fragment_frames=2) == [True, True, False, True, True, False]
    large = [with_speck(), with_speck(), with_speck(side=60), with_speck(), with_speck()]
    assert flickers(*large, fragment_frames=2) == [True] * 5


def test_another_fragment_elsewhere_has_its_own_count() -> None:
    one = refiner(min_fragment=0.01, fragment_frames=2)
    for number in range(4):
        alpha = boxes(SUBJECT, SPECK, *([(420, 300, 12, 12)] if number >= 2 else []))
        one(alpha, 0)
    assert not alpha[inside(SPECK)].any()
    assert alpha[300:312, 420:432].all()


def test_a_new_epoch_knows_no_fragments() -> None:
    frames = [with_speck() for _ in range(6)]
    there = flickers(*frames, epochs=[0, 0, 0, 1, 1, 1], fragment_frames=2)
    assert there == [True, True, False, True, True, False]


def test_fragments_that_were_not_looked_for_meanwhile_are_counted_anew() -> None:
    one, looking = Refiner(), RefineConfig(min_fragment=0.01, fragment_frames=2)
    there = []
    for number in range(9):
        alpha = with_speck()
        one.refine(alpha, RefineConfig() if 2 <= number < 6 else looking)
        there.append(bool(alpha[inside(SPECK)].any()))
    assert there == [True] * 8 + [False]


@pytest.mark.parametrize("size", [(640, 360), (1280, 720), (28, 8200)])
def test_no_pattern_has_too_many_parts_or_holes_to_be_counted(size: tuple[int, int]) -> None:
    shrink = Parts(size[1], size[0]).shrink
    rows, columns = np.indices(size[::-1]) // shrink
    holes = ((rows + columns) % 2 * 255).astype(np.uint8)
    inner = slice(2 * shrink, -2 * shrink)
    assert (refined(holes, fill_holes=0.01)[inner, inner] == 255).all()
    specks = ((rows % 2 == 0) & (columns % 2 == 0)).astype(np.uint8) * 255
    assert not refined(specks, min_fragment=0.01).any()
