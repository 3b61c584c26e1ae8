"""The real pipeline, as a viewer sees it; how fast it is on the machine of the tests is open."""

from __future__ import annotations

import pytest

from streamer.config import parse_config
from streamer.evaluation import make_clip
from streamer.evaluation.live.calibrating import calibrate
from streamer.evaluation.live.watching import watch
from streamer.models import load_segmenter

FRAMES = 24


@pytest.fixture
def config(make_model):
    return parse_config(
        {
            "source": {"type": "synthetic"},
            "model": {"name": str(make_model("m.onnx"))},
            "sinks": [{"type": "discard"}],
        },
        name="c",
    )


@pytest.mark.parametrize("mode", ["every_frame", "tracked"])
def test_each_frame_was_shown_or_lost_and_is_held_against_its_own_truth(config, mode):
    matting = config.matting.model_copy(update={"mode": mode})
    clip = make_clip("moving", width=160, height=90, frames=FRAMES)
    judged: list[int] = []
    watched = watch(
        clip, config.model_copy(update={"matting": matting}), advance=lambda: judged.append(1)
    )
    figures = watched.figures()
    assert len(judged) == watched.captured == FRAMES
    assert figures["shown"] + figures["late"] + figures["lost"] == watched.frames == FRAMES / 2
    assert len(watched.index) == len(watched.mad) > 0
    assert min(watched.latency_s) > 0


def test_this_machine_has_cores_and_everything_costs_something(config):
    segmenter, _ = load_segmenter(config.model)
    segmenter.warm_up()
    try:
        machine = calibrate(segmenter)
    finally:
        segmenter.close()
    costs = machine.costs
    assert machine.cores >= 1
    assert machine.crowding >= 1
    assert min(costs.decode, costs.show, costs.flow, costs.carry, costs.shrink, costs.compare) > 0
    assert costs.model > 0
