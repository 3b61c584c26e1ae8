"""What is held against a stream that was shown."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.evaluation import Clip, make_clip
from streamer.evaluation.live import Judge, Watched, average

SMALL = {"width": 160, "height": 90}
FRAMES = 12
SETTLED = 6
"""Of them the second half is judged: the clip is shorter than six seconds."""


@pytest.fixture
def clip() -> Clip:
    return make_clip("still", **SMALL, frames=FRAMES)


def shown(clip: Clip, change=lambda index, alpha: alpha, late_s: float = 0.05) -> Watched:
    judge = Judge(clip)
    for index in range(clip.frames):
        judge.capture(index)
        alpha = change(index, clip.alpha(index))
        if alpha is None:
            judge.lose(index)
        else:
            judge.show(index, alpha, index / clip.fps + late_s)
    return judge.close()


def test_the_truth_in_time_is_perfect(clip):
    figures = shown(clip).figures()
    assert figures["shown"] == FRAMES - SETTLED
    assert figures["late"] == figures["lost"] == figures["empty"] == 0
    assert figures["mad"] == figures["leak"] == figures["loss"] == 0
    assert figures["latency_p95_ms"] == pytest.approx(50)
    assert figures["begun_s"] == pytest.approx(0.05)


def test_the_room_that_is_shown_is_a_leak_and_what_is_missing_a_loss(clip):
    def half(index, alpha):
        alpha = alpha.copy()
        alpha[:, :80] = 255 if index == 7 else 0
        return alpha

    watched = shown(clip, half)
    figures = watched.figures()
    truth = clip.alpha(7)[:, :80]
    assert figures["leak_worst"] == pytest.approx(np.mean(truth <= 12) / 2, abs=0.01)
    assert figures["leak"] == pytest.approx(figures["leak_worst"] / (FRAMES - SETTLED), abs=1e-3)
    assert figures["leaky"] == pytest.approx(1 / (FRAMES - SETTLED))
    assert figures["loss_worst"] == pytest.approx(np.mean(truth >= 243) / 2, abs=0.01)
    assert watched.worst[0].index == 7


def test_frames_that_are_late_lost_or_empty_are_counted_and_none_twice(clip):
    def change(index, alpha):
        return None if index == 8 else np.zeros_like(alpha) if index == 9 else alpha

    watched = shown(clip, change, late_s=0.2)
    figures = watched.figures()
    assert (figures["shown"], figures["late"], figures["lost"]) == (0, 5, 1)
    assert figures["empty"] == 1
    assert watched.frames == FRAMES - SETTLED
    assert watched.by_frame(watched.mad)[8] is None
    assert watched.by_frame(watched.mad)[9] > 50


def test_an_empty_frame_is_right_where_nobody_is_to_be_seen():
    nobody = make_clip("nobody", **SMALL, frames=FRAMES)
    assert shown(nobody).figures()["empty"] == 0


def test_what_was_never_shown_has_no_figures(clip):
    figures = shown(clip, lambda index, alpha: None).figures()
    assert figures["lost"] == FRAMES - SETTLED
    assert figures["mad"] is figures["latency_p95_ms"] is figures["leak_worst"] is None
    assert average([shown(clip), shown(clip, lambda index, alpha: None)])["mad"] == 0


def test_averages_add_up_counts_and_keep_the_worst(clip):
    spoilt = shown(clip, lambda index, alpha: np.full_like(alpha, 255) if index == 7 else alpha)
    found = average([shown(clip), spoilt])
    assert found["shown"] == 2 * (FRAMES - SETTLED)
    assert found["leak_worst"] == spoilt.figures()["leak_worst"]
    assert found["mad"] == pytest.approx(spoilt.figures()["mad"] / 2)
