"""Gain, band and inversion: what becomes of each level, in which order, and at what cost."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.config import RefineConfig
from streamer.core.metrics import LatencyHistogram
from streamer.refining import Refiner
from tests.unit.refining.alphas import boxes, refined

LEVELS = np.arange(256, dtype=np.uint8)[None]


def test_a_threshold_is_the_masks_alone_and_costs_nothing() -> None:
    latency = LatencyHistogram()
    alpha = boxes((100, 100, 50, 50), soft_px=4)
    before = alpha.copy()
    Refiner(latency).refine(alpha, RefineConfig(threshold=0.9))
    assert (alpha == before).all()
    assert latency.quantile_ms(0.5) is None


def test_gain_multiplies_and_ends_at_255() -> None:
    doubled = refined(LEVELS, gain=2.0)
    assert (doubled == np.minimum(LEVELS.astype(int) * 2, 255)).all()
    assert (refined(LEVELS, gain=0.5)[0, [0, 100, 254]] == [0, 50, 127]).all()


def test_a_band_is_a_smoothstep_from_background_to_foreground() -> None:
    alpha = refined(LEVELS, band=[0.2, 0.8])[0].astype(int)
    assert not alpha[: 51 + 1].any()
    assert (alpha[204:] == 255).all()
    assert (np.diff(alpha) >= 0).all()
    quarter = 0.25**2 * (3 - 2 * 0.25) * 255
    assert alpha[[89, 127]] == pytest.approx([quarter, 127], abs=2)


def test_gain_comes_before_the_band() -> None:
    alpha = refined(LEVELS, gain=2.0, band=[0.4, 0.6])[0]
    assert not alpha[:51].any()
    assert (alpha[77:] == 255).all()


def test_inverting_comes_last_and_twice_is_nothing() -> None:
    assert (refined(LEVELS, invert=True) == 255 - LEVELS).all()
    alpha = boxes((200, 100, 80, 80), (10, 10, 4, 4), soft_px=2)
    cleaned = refined(alpha, min_fragment=0.01, feather_px=6.0)
    assert (refined(alpha, min_fragment=0.01, feather_px=6.0, invert=True) == 255 - cleaned).all()


def test_settings_and_sizes_may_change_from_one_frame_to_the_next() -> None:
    refiner = Refiner()
    for gain in (1.0, 2.0, 3.0):
        for rows in (3, 50):
            alpha = np.full((rows, 20), 40, np.uint8)
            refiner.refine(alpha, RefineConfig(gain=gain))
            assert (alpha == 40 * gain).all()
