"""What a live stream does without where there is too much to do."""

from __future__ import annotations

from itertools import pairwise

from streamer.matting.tracking.pace import STEPS, Pace

FPS = 30


class Stream:
    """Asks at each frame's time."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.now_s = 100.0

    def play(self, seconds: float, waiting: int, share: float = 1.0) -> list[bool]:
        kept = []
        for _ in range(round(seconds * FPS)):
            self.pace.note_share(share)
            kept.append(self.pace.keeps(waiting, self.now_s))
            self.now_s += 1 / FPS
        return kept

    @property
    def step(self) -> int:
        return STEPS.index(self.pace.step)


def test_all_is_done_while_hardly_a_frame_waits() -> None:
    stream = Stream()
    assert all(stream.play(60, waiting=1))
    assert stream.pace.statistics() == {"step": "all", "kept": 1.0, "coarse": False, "changes": 0}


def test_detail_goes_before_frames_and_these_go_evenly() -> None:
    stream = Stream()
    assert all(stream.play(1.9, waiting=4))
    assert stream.step == 1
    while stream.step == 1:
        stream.play(0.1, waiting=4)
    assert stream.step == 2
    kept = stream.play(1, waiting=1)
    assert sum(kept) == 20
    assert not any(not one and not two for one, two in pairwise(kept))


def test_at_worst_every_third_frame_is_left() -> None:
    stream = Stream()
    stream.play(20, waiting=4)
    assert sum(stream.play(3, waiting=4)) == 30


def test_a_short_rush_changes_nothing() -> None:
    stream = Stream()
    stream.play(5, waiting=0)
    assert all(stream.play(0.2, waiting=4))
    assert stream.step == 0


def test_what_is_given_back_too_early_is_given_back_later_the_next_time() -> None:
    stream, waits = Stream(), []
    stream.play(1.5, waiting=3)
    for _ in range(3):
        begun_s = stream.now_s
        while stream.step:
            stream.play(0.1, waiting=0)
        waits.append(stream.now_s - begun_s)
        while not stream.step:
            stream.play(0.1, waiting=3)
    assert 4 < waits[0] < 6
    assert waits[1] > 1.5 * waits[0]
    assert waits[2] > 1.5 * waits[1]


def test_a_model_that_gets_little_costs_detail_and_one_that_gets_nothing_frames() -> None:
    stream = Stream()
    assert all(stream.play(20, waiting=0, share=0.3))
    assert stream.step == 1
    stream.play(4, waiting=0, share=0.05)
    stream.play(4, waiting=0, share=0.4)
    step = stream.step
    assert step > 1
    stream.play(60, waiting=0, share=0.4)
    assert stream.step == step, "with so little there is no time to spare"
    stream.play(60, waiting=0, share=0.9)
    assert stream.step == 0


def test_frames_go_only_where_they_wait_for_seconds() -> None:
    stream = Stream()
    stream.play(1.5, waiting=2)
    assert all(stream.play(20, waiting=2))
    assert stream.step == 1


def test_a_pause_is_no_hurry() -> None:
    stream = Stream()
    stream.play(5, waiting=0)
    stream.now_s += 600
    assert all(stream.play(0.1, waiting=4))
    assert stream.step == 0


def test_another_clock_is_another_stream() -> None:
    stream = Stream()
    stream.play(20, waiting=4)
    stream.now_s = 0.0
    assert all(stream.play(0.5, waiting=4))
    assert stream.step == 0
