"""Edges move with their subjects."""

import cv2
import numpy as np

from streamer.matting.edges import EdgeMover
from streamer.matting.flow import FlowFinder
from tests.unit.matting.discs import before_and_now


def carried(finder, mask, flow):
    out = np.empty_like(mask)
    finder.carry(mask, flow, out)
    return out


def test_an_edge_moves_with_the_subject_and_what_is_beside_it_does_not():
    before, now, old, new = before_and_now(6)
    finder, flow = FlowFinder((180, 320)), np.zeros((180, 320, 2), np.float32)
    lumas = [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in (now, before)]
    finder.find(*lumas, flow)
    told = (old == 0) | (new > 0)  # what is uncovered has no match in the picture before
    wrong = [np.count_nonzero(told & (carried(finder, old, flow) != new))]
    EdgeMover((180, 320)).correct(now, before, flow, old)
    wrong.append(np.count_nonzero(told & (carried(finder, old, flow) != new)))
    assert wrong[1] < 0.7 * wrong[0], "pixels at the edge that are on the wrong side"


def test_where_there_is_no_subject_flow_stays_as_it_was_found():
    before, now, *_ = before_and_now(6)
    flow = np.random.default_rng(0).normal(0, 3, (180, 320, 2)).astype(np.float32)
    kept = flow.copy()
    EdgeMover((180, 320)).correct(now, before, flow, np.zeros((180, 320), np.uint8))
    assert (flow == kept).all()
