"""
What a viewer on a weak machine sees of people, with a model that tells the truth.

The machine is simulated, so figures are the same everywhere; limits leave a quarter for libraries
of other versions. They are of the tracking alone: the real model's own errors come on top.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamer.config import MattingConfig
from streamer.evaluation import make_clip
from streamer.evaluation.live import (
    MACHINES,
    Judge,
    Machine,
    Queues,
    Simulation,
    VirtualAsking,
    late,
)
from streamer.evaluation.live.machines import COSTED
from streamer.evaluation.measuring import Figures
from streamer.matting import make_matting
from tests.unit.matting.tracking.footage import Footage, TruthSegmenter

WIDTH, HEIGHT, FRAMES, SEED = 384, 216, 165, 1001
SIDES = (384, 512, 640, 768, 896, 1024)


def as_of_720p(machine: Machine) -> Machine:
    """*machine*, on which small frames cost what those of 1280x720 do."""
    share = COSTED[0] * COSTED[1] / (HEIGHT * WIDTH)
    dear = {
        cost: share * getattr(machine.costs, cost)
        for cost in ("decode", "shrink", "carry", "mix", "show")
    }
    return replace(machine, costs=replace(machine.costs, **dear))


def seen(name: str, machine: Machine) -> Figures:
    clip = make_clip(name, width=WIDTH, height=HEIGHT, frames=FRAMES, seed=SEED)
    images = [clip.frame(index) for index in range(FRAMES)]
    film = Footage(images, [clip.alpha(index) for index in range(FRAMES)], clip.fps)
    asking = VirtualAsking()
    model = asking.through(TruthSegmenter(film, sides=SIDES))
    matting = make_matting(MattingConfig(mode="tracked"), model, live=True, asking=asking)
    judge = Judge(clip)
    Simulation(matting, asking, machine, Queues()).play(judge, 0)
    matting.close()
    return judge.close().figures()


@pytest.mark.parametrize(
    ("name", "mad", "leak_worst"),
    [
        ("webcam-talking", 2.7, 0.0008),
        ("webcam-waving", 22.8, 0.0035),
        ("webcam-walking", 15.3, 0.0004),
        ("webcam-leaving", 1.2, 0.0033),
        ("webcam-handheld", 2.2, 0.0006),
        ("webcam-talking-street", 3.4, 0.0028),
        ("webcam-waving-street", 32.5, 0.0171),
        ("webcam-monitor", 2.9, 0.0014),
    ],
)
def test_on_a_weak_machine_people_are_cut_out_in_time(name, mad, leak_worst):
    figures = seen(name, as_of_720p(MACHINES["weak"]))
    assert figures["late"] == figures["lost"] == 0
    assert figures["empty"] <= 1
    assert figures["mad"] < mad
    assert figures["leak_worst"] < leak_worst


@pytest.mark.parametrize("name", ["webcam-talking", "webcam-waving"])
def test_on_one_half_as_fast_detail_goes_and_every_frame_comes_in_time(name):
    weak = MACHINES["weak"]
    figures = seen(name, as_of_720p(replace(weak, costs=weak.costs.times(2))))
    assert figures["late"] == figures["lost"] == figures["empty"] == 0
    assert figures["latency_p95_ms"] < 100


def test_on_one_a_quarter_as_fast_frames_are_left_out_evenly():
    weak = MACHINES["weak"]
    figures = seen("webcam-talking", as_of_720p(replace(weak, costs=weak.costs.times(4))))
    assert 0 < figures["lost"] < 2 * figures["shown"]
    assert figures["late"] <= 0.3 * figures["shown"]
    assert figures["latency_p95_ms"] < 200


def test_answers_that_come_much_later_cost_little():
    errors = [
        np.mean([seen(name, late(frames))["mad"] for name in ("webcam-waving", "webcam-leaning")])
        for frames in (6, 15)
    ]
    assert errors[1] <= 1.5 * errors[0]
