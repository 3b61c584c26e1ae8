from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from streamer.config import RefineConfig, Settings
from streamer.sinks.folder.moments import Appearances, Moments, Spaced
from tests.unit.sinks.scene import shot

MS = Fraction(1, 1000)


def wanted_ms(moments: Moments, times_ms: list[int]) -> list[int]:
    return [ms for ms in times_ms if moments.wants(*shot(0, ms, time_base=MS))]


def test_an_interval_gives_the_first_frame_and_then_one_each():
    times = list(range(5000, 8000, 40))
    assert wanted_ms(Spaced(1), times) == [5000, 6000, 7000]


def test_an_interval_does_not_drift_with_frames_that_come_late():
    assert wanted_ms(Spaced(1), [0, 900, 1300, 1900, 2200, 3050]) == [0, 1300, 2200, 3050]


def test_a_gap_gives_one_picture_and_no_catching_up():
    assert wanted_ms(Spaced(1), [0, 5500, 5600, 5900, 6000]) == [0, 5500, 6000]


def test_an_interval_begins_anew_where_time_runs_backwards():
    moments = Spaced(1)
    assert wanted_ms(moments, [90_000, 90_500]) == [90_000]
    assert wanted_ms(moments, [0, 500, 1000]) == [0, 1000]


def appearances(
    covered: list[float], *, step_ms: int = 100, absent_s: float = 0.3, **refine: float
) -> list[int]:
    """The numbers of the frames that are wanted of those with so much of them covered."""
    moments = Appearances(0.1, absent_s)
    settings = Settings(RefineConfig(**refine))
    found = []
    for number, share in enumerate(covered):
        alpha = np.zeros((50, 100), np.uint8)
        alpha[:, : round(share * 100)] = 200
        frame, matte = shot(0, number * step_ms, time_base=MS, alpha=alpha)
        if moments.wants(replace(frame, settings=settings), matte):
            found.append(number)
    return found


def test_a_subject_is_taken_when_it_appears_and_not_while_it_stays():
    assert appearances([0, 0, 0.5, 0.5, 0.5]) == [2]


def test_a_subject_that_is_there_from_the_beginning_has_appeared():
    assert appearances([0.5, 0.5]) == [0]


def test_a_subject_that_was_away_for_a_moment_has_not_appeared_again():
    assert appearances([0.5, 0, 0, 0.5, 0, 0, 0, 0.5]) == [0, 7]


def test_less_than_the_share_is_no_subject():
    assert appearances([0.09, 0.1, 0.09, 0.09, 0.09, 0.2]) == [1, 5]


@pytest.mark.parametrize(("threshold", "found"), [(0.5, [1]), (0.9, [])])
def test_the_masks_threshold_says_what_is_covered(threshold: float, found: list[int]):
    assert appearances([0, 0.5], threshold=threshold) == found
