import numpy as np
import pytest

from streamer.errors import SegmentError
from streamer.evaluation import average, evaluate, make_clip, run_matting
from streamer.frame import Matte
from tests.fakes import FakeMatting

SIZE = {"width": 160, "height": 96}


class Oracle(FakeMatting):
    """Knows the truth of a clip; *late* frames behind it, or nothing at all."""

    def __init__(self, clip, *, delay=0, late=0, blind=False):
        super().__init__(delay)
        self._clip, self._late, self._blind = clip, late, blind

    def _give(self, how_many):
        mattes = []
        for frame, alpha in (self._held.popleft() for _ in range(how_many)):
            index = max(0, frame.stamp.index - self._late)
            alpha[:] = 0 if self._blind else self._clip.alpha(index)
            origin = "inferred" if frame.stamp.index % 2 == 0 else "propagated"
            mattes.append(Matte(alpha, frame.stamp, "empty" if self._blind else origin))
        return mattes


def images(count):
    return [np.full((8, 8, 3), level, np.uint8) for level in range(count)]


@pytest.mark.parametrize("delay", [0, 1, 5, 20])
def test_every_frame_gets_its_own_matte_however_long_the_matting_waits(delay):
    answers = list(run_matting(FakeMatting(delay), images(9)))
    assert [int(answer.alpha[0, 0]) for answer in answers] == list(range(9))
    assert all(np.array_equal(a.image[:, :, 0], a.alpha) for a in answers)
    assert all(answer.cpu_s >= 0 for answer in answers)


def test_the_stamps_are_those_of_a_stream_of_that_rate():
    stamps = []

    class Keeping(FakeMatting):
        def matte(self, frame, alpha):
            stamps.append(frame.stamp)
            return super().matte(frame, alpha)

    list(run_matting(Keeping(), images(3), fps=25, epoch=7))
    assert [(stamp.index, stamp.epoch) for stamp in stamps] == [(0, 7), (1, 7), (2, 7)]
    assert [stamp.pts_s for stamp in stamps] == pytest.approx([0, 0.04, 0.08])


def test_a_matte_out_of_turn_or_kept_is_an_error():
    class Swapping(FakeMatting):
        def _give(self, how_many):
            return super()._give(how_many)[::-1]

    with pytest.raises(SegmentError, match="out of turn"):
        list(run_matting(Swapping(2), images(3)))

    class Keeping(FakeMatting):
        def flush(self):
            return []

    with pytest.raises(SegmentError, match="kept the mattes of 2 frames"):
        list(run_matting(Keeping(2), images(3)))


@pytest.mark.parametrize("delay", [0, 5])
def test_the_truth_itself_is_perfect(delay):
    clip = make_clip("crossing", frames=10, **SIZE)
    found = evaluate(clip, Oracle(clip, delay=delay))
    means = found.means()
    for figure in ("mad", "mse", "grad", "conn", "dtssd", "flicker", "edge_lag_px"):
        assert means[figure] == pytest.approx(0, abs=1e-9), figure
    assert means["iou"] == means["boundary_f"] == 1
    assert found.origins == {"inferred": 5, "propagated": 5}
    assert found.as_json()["frames"] == 10


def test_a_matte_that_is_late_shows_in_its_lag_and_its_error():
    clip = make_clip("moving", frames=16, **SIZE)
    means = evaluate(clip, Oracle(clip, late=1)).means()
    step = np.mean([np.abs(clip.motion(n).flow[clip.alpha(n) > 127]).max() for n in range(5, 16)])
    assert means["edge_lag_px"] == pytest.approx(step, rel=0.3)
    assert means["mad"] > 3


def test_the_first_frame_has_no_change_and_is_not_averaged_in():
    clip = make_clip("moving", frames=3, **SIZE)
    found = evaluate(clip, Oracle(clip, late=1))
    assert found.frames["dtssd"][0] is None
    assert found.means()["dtssd"] == pytest.approx(np.mean(found.frames["dtssd"][1:]))


def test_the_worst_frames_are_kept_worst_first():
    clip = make_clip("cuts", frames=34, **SIZE)
    found = evaluate(clip, Oracle(clip, late=1))
    assert found.worst[0].index == 30
    errors = [found.frames["mad"][sample.index] for sample in found.worst]
    assert errors == sorted(errors, reverse=True)
    assert len(errors) == 4


def test_in_the_dark_an_empty_matte_costs_nothing_and_garbage_does():
    clip = make_clip("lights", frames=40, **SIZE)
    blind = evaluate(clip, Oracle(clip, blind=True))
    assert blind.frames["mad"][35] == 0
    assert blind.frames["mad"][10] > 50
    seeing = evaluate(clip, Oracle(clip))
    assert seeing.frames["mad"][35] == 0


def test_the_average_counts_each_clip_the_same():
    clips = [make_clip(name, frames=count, **SIZE) for name, count in (("still", 2), ("moving", 6))]
    measured = [evaluate(clip, Oracle(clip, blind=True)) for clip in clips]
    means = [one.means() for one in measured]
    assert average(measured)["mad"] == pytest.approx((means[0]["mad"] + means[1]["mad"]) / 2)
    assert average(measured)["edge_lag_px"] is None
