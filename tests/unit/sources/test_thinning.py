from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from streamer.sources.thinning import Thinning


def taken(times: list[float], max_fps: float | None) -> list[float]:
    thinning = Thinning(max_fps)
    return [time for time in times if thinning.takes(time)]


def at(fps: float, seconds: float = 10.0, jitter_s: float = 0.0) -> list[float]:
    """Frames of a camera that is never exact."""
    random = np.random.default_rng(4)
    return [n / fps + random.uniform(-jitter_s, jitter_s) for n in range(int(fps * seconds))]


@pytest.mark.parametrize("fps", [30, 29.97, 25, 60])
@pytest.mark.parametrize("max_fps", [24.0, 15.0, 12.5, 10.0, 1.0])
@pytest.mark.parametrize("jitter_s", [0.0, 0.004])
def test_the_rate_is_reached_and_not_exceeded(fps, max_fps, jitter_s):
    kept = taken(at(fps, jitter_s=jitter_s), max_fps)
    assert 10 * max_fps - 1 <= len(kept) <= 10 * max_fps + 1


@pytest.mark.parametrize(("fps", "max_fps"), [(30, 15), (30, 10), (60, 20)])
def test_where_the_rates_divide_the_spacing_is_steady_in_spite_of_jitter(fps, max_fps):
    jitter_s = 0.12 / fps
    kept = taken(at(fps, jitter_s=jitter_s), max_fps)
    gaps = [after - before for before, after in pairwise(kept)]
    assert max(abs(gap - 1 / max_fps) for gap in gaps) <= 2 * jitter_s


@pytest.mark.parametrize("max_fps", [24.0, 20.0, 12.5])
def test_elsewhere_no_frame_is_further_from_its_time_than_one_of_the_camera(max_fps):
    kept = taken(at(30), max_fps)
    for number, time in enumerate(kept):
        assert abs(time - number / max_fps) <= 1 / 30


@pytest.mark.parametrize("max_fps", [None, 30.0, 60.0])
def test_a_slower_camera_loses_nothing(max_fps):
    times = at(30, jitter_s=0.002)
    assert taken(times, max_fps) == times


def test_after_a_gap_frames_do_not_come_in_a_burst():
    times = [*at(30, 1.0), *(6 + time for time in at(30, 1.0))]
    after = [time for time in taken(times, 10) if time >= 6]
    assert len(after) == 10
    assert min(b - a for a, b in pairwise(after)) > 0.09
