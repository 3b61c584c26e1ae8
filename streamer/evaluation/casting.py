"""The people of the live clips: a person's parts put together, and how head and arms move."""

from __future__ import annotations

import math

import numpy as np

from streamer.evaluation.scenery import Actor, Pose, Way
from streamer.evaluation.sitters import BODY_UNITS, SEEN_UNITS, Sitter, sitter
from streamer.evaluation.staging import Stage, eased


def _drawn(stage: Stage, waving: bool = False) -> Sitter:
    # A webcam's picture is some 510 units high; a fifth more for those who lean in.
    return sitter(1.2 * stage.height / 510, stage.random(), waving)


def _bodied(way: Way) -> Way:
    """The way of the body alone, from the *way* of the person, whose height begins at the head."""

    def at(t: float) -> Pose:
        pose = way(t)
        return Pose(pose.x, pose.y, pose.height * BODY_UNITS / SEEN_UNITS, pose.degrees)

    return at


def seated(
    stage: Stage, way: Way, *, waving: bool = False, talks: bool = True
) -> tuple[Actor, ...]:
    """A drawn person: the body, a head that nods and turns a little, and, if *waving*, arms."""
    drawn = _drawn(stage, waving)
    phase = float(stage.random().uniform(0, 6))
    body = _bodied(way)

    def nods(t: float) -> float:
        return 2.6 * math.sin(0.13 * t + phase) + 1.4 * math.sin(0.31 * t)

    def speaks(t: float) -> int:
        """Index of the mouth: shut between words and between sentences."""
        if not talks or math.sin(0.05 * t + phase) < -0.5:
            return 0
        return int(np.clip(1 + math.sin(0.9 * t + phase) + math.sin(0.53 * t), 0, 2))

    head = Actor(
        drawn.heads[0],
        stage.fixed_to(drawn.body, body, drawn.neck, drawn.heads[0], nods),
        lambda t: drawn.heads[speaks(t)],
        part=True,
    )
    if not waving:
        return (Actor(drawn.body, body), head)
    left, right = (_arm(stage, drawn, body, side, rate) for side, rate in ((-1, 0.3), (1, 0.48)))
    return (Actor(drawn.body, body), head, *left, *right)


def _arm(stage: Stage, drawn: Sitter, body: Way, side: int, rate: float) -> tuple[Actor, ...]:
    """An arm, left (-1) or right (1), that is lifted, waves and sinks; *rate* is how fast."""
    shoulder = drawn.shoulders[side > 0]

    def lifted(t: float) -> float:
        start = 30 if side > 0 else 70
        return eased((t - start) / 14) - eased((t - 190 - side * 10) / 18)

    def raises(t: float) -> float:
        return side * (8 + 66 * lifted(t) + 7 * lifted(t) * math.sin(0.21 * t))

    def waves(t: float) -> float:
        """From hanging down, 180 degrees, to pointing up and swinging."""
        return side * (180 + 104 * lifted(t) + 28 * lifted(t) * math.sin(rate * t))

    upper = stage.fixed_to(drawn.body, body, shoulder, drawn.upper_arm, raises)
    lower = stage.fixed_to(drawn.upper_arm, upper, drawn.elbow, drawn.forearm, waves)
    return (
        Actor(drawn.forearm, lower, part=True),
        Actor(drawn.upper_arm, upper, part=True),
    )


def person(stage: Stage, number: int, way: Way) -> tuple[Actor, ...]:
    """The photographed person for every third number; somebody drawn for the others."""
    if number % 3 == 0:
        return (stage.actor("portrait", way),)
    return seated(stage, way)
