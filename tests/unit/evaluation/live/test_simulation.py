"""Live streams on machines that are reckoned with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamer.config import MattingConfig
from streamer.evaluation import make_clip
from streamer.evaluation.live import (
    MACHINES,
    Costs,
    Judge,
    Machine,
    Queues,
    Simulation,
    VirtualAsking,
    Watched,
    late,
)
from streamer.matting import make_matting
from tests.unit.matting.tracking.footage import SIZE, TruthSegmenter, footage

FRAMES = 60
HEIGHT, WIDTH = SIZE
FREE = Machine("free", 4, Costs(), answer_s=0.0)


def play(
    name: str,
    machine: Machine,
    queues: Queues = Queues(),  # noqa: B008 - it cannot be changed
    *,
    times: int = 1,
    **matting: object,
) -> Watched:
    """The clip on *machine*, with a model that tells the truth; the last of several *times*."""
    asking = VirtualAsking()
    made = make_matting(
        MattingConfig.model_validate({"mode": "tracked", **matting}),
        asking.through(TruthSegmenter(footage(name, FRAMES))),
        live=True,
        asking=asking,
    )
    simulation = Simulation(made, asking, machine, queues)
    for epoch in range(times):
        judge = Judge(make_clip(name, width=WIDTH, height=HEIGHT, frames=FRAMES))
        simulation.play(judge, epoch)
        watched = judge.close()
    made.close()
    return watched


def test_with_all_the_time_in_the_world_every_frame_is_shown_at_once():
    figures = play("moving", FREE).figures()
    assert figures["shown"] == FRAMES // 2
    assert figures["late"] == figures["lost"] == figures["empty"] == 0
    assert figures["latency_p95_ms"] == pytest.approx(0, abs=1e-6)
    assert figures["mad"] < 8


def test_the_same_run_gives_the_same_numbers():
    first, second = (play("moving", MACHINES["weak"]) for _ in range(2))
    assert first.as_json() == second.as_json()


def test_one_clip_after_another_is_as_one_alone():
    assert play("moving", late(6), times=2).figures() == play("moving", late(6)).figures()


def test_the_first_matte_is_shown_when_the_first_answer_is_there():
    assert play("moving", late(6)).begun_s == pytest.approx(6 / 30, abs=0.035)


def test_later_answers_make_worse_mattes():
    at_once, soon, later = (play("crossing", late(n)).figures()["mad"] for n in (0, 6, 15))
    assert at_once < soon < later


def test_a_machine_that_is_too_slow_loses_frames_and_is_never_more_late_than_its_queues():
    slow = Machine("slow", 2, Costs(show=1000 * 25), answer_s=0.0)  # frames are small: 50 ms each
    figures = play("moving", slow, Queues(ring=2, sink=1)).figures()
    assert figures["lost"] >= FRAMES // 2 // 3
    assert figures["shown"] + figures["late"] + figures["lost"] == FRAMES // 2
    share = WIDTH * HEIGHT / (1280 * 720)
    assert figures["latency_p95_ms"] <= 1000 * 25 * share * 2 + 40


def test_what_the_model_takes_is_taken_from_the_stream_where_each_frame_waits_for_it():
    model = Machine("model", 1, Costs(model=1000.0))
    watched = play("moving", model, mode="every_frame")
    # At 256x256 an inference takes a sixteenth of a second: every second frame is shown, and those
    # that wait at the end.
    assert watched.lost == pytest.approx(FRAMES / 4, abs=4)
    assert watched.cpu_ms()["model"] == pytest.approx(1000 / 16 / 2, rel=0.2)


def test_a_model_beside_the_cores_is_waited_for_where_each_frame_needs_it():
    watched = play("moving", Machine("gpu", 8, Costs(), answer_s=0.025), mode="every_frame")
    assert watched.figures()["latency_p50_ms"] == pytest.approx(25)
    assert not sum(watched.cpu_ms().values())


def test_a_faster_machine_is_never_worse():
    figures = [play("moving", machine).figures() for machine in MACHINES.values()]
    assert [row["lost"] for row in figures] == sorted(
        (row["lost"] for row in figures), reverse=True
    )
    assert figures[-1]["latency_p95_ms"] < figures[0]["latency_p95_ms"]


def test_crowded_cores_make_it_later():
    alone = replace(MACHINES["weak"], crowding=1.0)
    crowded = replace(MACHINES["weak"], crowding=3.0)
    busy = [replace(m, costs=m.costs.times(5)) for m in (alone, crowded)]
    first, second = (play("moving", machine).figures() for machine in busy)
    assert second["latency_p50_ms"] > first["latency_p50_ms"]
