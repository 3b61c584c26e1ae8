"""Which way a live stream is matted, by how long the model takes."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.config import MattingConfig
from streamer.matting import Automatic, make_matting
from tests.fakes import FakeClock, FakeSegmenter

FAST_S, SLOW_S = 0.02, 0.4


def automatic(inference_s: float, *, fps: int = 30, **model) -> Automatic:
    clock = FakeClock()
    model = FakeSegmenter(lambda image: clock.pass_s(inference_s), sides=(32, 48, 64), **model)
    config = MattingConfig(delay_frames=3)
    return Automatic(model, config, period_s=1 / fps, clock=lambda: clock.now_ns() / 1e9)


@pytest.mark.parametrize(
    ("inference_s", "fps", "mode"),
    [
        (FAST_S, 30, "every_frame"),
        (0.03, 30, "tracked"),  # decoding and encoding need time as well
        (0.03, 25, "every_frame"),
        (SLOW_S, 30, "tracked"),
        (SLOW_S, 2, "every_frame"),
    ],
)
def test_it_tracks_where_the_model_is_too_slow_for_the_stream(inference_s, fps, mode):
    matting = automatic(inference_s, fps=fps)
    matting.warm_up()
    told = matting.statistics()
    assert told["mode"] == mode
    assert f"{1000 * inference_s:.0f} ms" in told["chosen"]
    assert f"every {1000 / fps:.0f}" in told["chosen"]
    matting.close()


def test_what_was_chosen_stays_though_the_model_is_warmed_up_again():
    matting = automatic(SLOW_S)
    matting.warm_up()
    matting._clock = lambda: 0.0  # now it would seem fast
    matting.warm_up()
    assert matting.statistics()["mode"] == "tracked"
    matting.close()


def test_before_it_has_chosen_it_says_so_and_closes():
    matting = automatic(FAST_S)
    assert matting.statistics()["chosen"] is None
    assert not matting.flush()
    matting.close()
    assert matting._segmenter.closed


@pytest.mark.parametrize(
    ("live", "recurrent", "chooses"),
    [(True, False, True), (False, False, False), (True, True, False)],
)
def test_files_and_models_that_see_each_frame_are_not_tracked(live, recurrent, chooses):
    model = FakeSegmenter(recurrent=recurrent)
    matting = make_matting(MattingConfig(), model, live=live)
    assert isinstance(matting, Automatic) is chooses
    if not chooses:
        assert matting.statistics()["mode"] == "every_frame"


def test_what_it_tried_itself_on_is_no_part_of_the_stream():
    matting = automatic(FAST_S)
    matting.warm_up()
    assert matting._segmenter.resets == 1
    assert np.prod(matting._segmenter.asked[0]) == 64 * 64, "at the size that frames are seen at"
    matting.close()
