"""Growing, shrinking and feathering: how far, in which direction, and how soft."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.memory import allocating
from tests.unit.refining.alphas import boxes, disc, refined, refiner, slope


@pytest.mark.parametrize("by_px", [1, 3, 4, 7, 16, 40, -1, -3, -8, -30])
def test_a_straight_edge_moves_by_so_many_pixels_and_stays_as_soft(by_px: int) -> None:
    edge = slope(160, over_px=12)
    moved = refined(edge, grow_px=by_px)
    expected = np.roll(edge, -by_px, axis=1)
    around = np.s_[:, 45:115]
    assert (moved[around] == expected[around]).all()


@pytest.mark.parametrize("by_px", [2, 8, 20, -2, -8, -20])
def test_a_disc_stays_round(by_px: int) -> None:
    alpha = refined(disc(50), grow_px=by_px)
    y, x = np.mgrid[:256, :256] - 127.5
    wrong = (alpha > 127) != (np.hypot(x, y) < 50 + by_px)
    # Up to an eighth of the way off where the steps' corners are.
    assert np.abs(np.hypot(x, y)[wrong] - (50 + by_px)).max(initial=0) <= 1 + abs(by_px) / 8


def test_the_frames_border_is_no_edge() -> None:
    whole = np.full((60, 80), 255, np.uint8)
    for options in (
        {"grow_px": -8},
        {"feather_px": 8.0},
        {"feather_px": 8.0, "feather": "outward"},
    ):
        assert (refined(whole, **options) == 255).all()
    left = boxes((0, 100, 100, 100))
    assert (refined(left, feather_px=8.0)[150, :80] == 255).all()


@pytest.mark.parametrize("over_px", [1.0, 4.0, 9.5, 32.0])
def test_inward_the_edge_rises_from_where_it_was(over_px: float) -> None:
    alpha = refined(boxes((100, 60, 250, 250)), feather_px=over_px)
    row = alpha[180].astype(float)
    ramp = np.clip((np.arange(250) + 0.5) / over_px, 0, 1) * 255
    assert row[100:200] == pytest.approx(ramp[:100], abs=3)
    assert not row[:100].any()
    assert row[250:350] == pytest.approx(row[100:200][::-1], abs=1)


def test_outward_it_falls_from_where_it_was() -> None:
    box = boxes((100, 60, 250, 250))
    row = refined(box, feather_px=10.0, feather="outward")[180].astype(float)
    ramp = np.clip(1 - (np.arange(100) + 0.5) / 10, 0, 1) * 255
    assert row[:100][::-1] == pytest.approx(ramp, abs=3)
    assert (row[100:350] == 255).all()


def test_around_a_corner_distance_is_measured_straight() -> None:
    alpha = refined(boxes((100, 100, 100, 100)), feather_px=20.0, feather="outward")
    y, x = np.mgrid[:100, :100] - 99
    ramp = np.clip(1 - (np.hypot(x - 1, y - 1) - 0.5) / 20, 0, 1) * 255
    assert np.abs(alpha[:100, :100] - ramp).max() <= 6


@pytest.mark.parametrize("feather", ["inward", "outward"])
def test_an_edge_that_is_softer_already_stays(feather: str) -> None:
    edge = slope(120, over_px=30)
    after = refined(edge, feather_px=20.0, feather=feather).astype(int)
    assert np.abs(after - edge).max() <= 8


def test_inward_shows_no_more_and_outward_no_less() -> None:
    alpha = boxes((100, 100, 80, 80), (250, 40, 90, 200), soft_px=2)
    assert (refined(alpha, feather_px=12.0) <= alpha).all()
    assert (refined(alpha, feather_px=12.0, feather="outward") >= alpha).all()


def test_fragments_go_before_growing_could_join_them() -> None:
    alpha = boxes((180, 60, 120, 200), (160, 100, 12, 12))
    grown = refined(alpha, min_fragment=0.01, grow_px=8)
    assert (grown == refined(boxes((180, 60, 120, 200)), grow_px=8)).all()


def test_the_feather_is_of_the_edge_that_has_grown() -> None:
    row = refined(boxes((100, 60, 250, 250)), grow_px=10, feather_px=10.0)[180]
    assert not row[:90].any()
    assert row[90:100] == pytest.approx((np.arange(10) + 0.5) * 25.5, abs=3)


EVERYTHING = {
    "gain": 1.2,
    "band": [0.1, 0.9],
    "min_fragment": 0.01,
    "fragment_frames": 1,
    "keep_largest": 3,
    "fill_holes": 0.01,
    "grow_px": -2,
    "feather_px": 6.0,
}


def test_after_the_first_frames_nothing_of_a_frames_size_is_allocated() -> None:
    alphas = [boxes((300 + n, 100, 500, 600), (50, 50, 30, 30), size=(1280, 720)) for n in range(4)]
    one = refiner(**EVERYTHING, invert=True)
    for alpha in alphas[:3]:
        one(alpha, 0)
    with allocating() as growth:
        one(alphas[3], 0)
    assert growth.peak < 1280 * 720 / 4


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))),
    st.fixed_dictionaries(
        {},
        optional={
            "gain": st.floats(0.1, 10),
            "band": st.just((0.3, 0.6)),
            "min_fragment": st.floats(0, 0.9),
            "fragment_frames": st.integers(0, 3),
            "keep_largest": st.integers(1, 4),
            "fill_holes": st.floats(0, 0.9),
            "grow_px": st.integers(-64, 64),
            "feather_px": st.floats(0, 64),
            "feather": st.sampled_from(["inward", "outward"]),
        },
    ),
)
def test_of_nothing_nothing_is_made_whatever_the_options(alpha: np.ndarray, options: dict) -> None:
    one = refiner(**options)
    for _ in range(2):
        one(alpha.copy(), 0)
    nothing = np.zeros_like(alpha)
    one(nothing, 0)
    assert not nothing.any()
