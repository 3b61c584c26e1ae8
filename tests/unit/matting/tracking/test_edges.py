"""Edges move with their subjects."""

import cv2
import numpy as np

from streamer.matting.tracking.edges import EdgeMover
from streamer.matting.tracking.flow import FlowFinder
from streamer.matting.tracking.keys import Key, Lead
from tests.unit.matting.tracking.discs import before_and_now


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


def led(key: Key, now: np.ndarray) -> Lead:
    """From *now* to *key*, and weighed."""
    finder, lead = FlowFinder((180, 320)), Lead((180, 320))
    grey = cv2.cvtColor(now, cv2.COLOR_BGR2GRAY)
    lead.follow(finder, grey, key, None, None, EdgeMover((180, 320)), now)
    lead.weigh(finder, grey, both_ways=True)
    return lead


def key_of(picture: np.ndarray, mask: np.ndarray) -> Key:
    key = Key((180, 320), (180, 320))
    key.has_texture = True
    key.luma[:] = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    key.colours[:] = picture
    key.small[:] = key.faint[:] = mask
    key.near[:] = cv2.dilate(mask, np.ones((13, 13), np.uint8))
    return key


def test_a_strand_too_thin_for_the_small_picture_comes_out_as_well() -> None:
    before, now, old, _ = before_and_now(4)
    key = key_of(before, old)
    key.faint[60:64, 185:215] = 255  # loose hair: faint at this size
    lead = led(key, now)
    assert lead.is_bounded
    assert lead.reached[62, 195:210].all()
    assert not lead.reached[20, 195:210].any()


def test_a_key_that_leads_back_elsewhere_is_known_to() -> None:
    before, now, old, _ = before_and_now(4)
    other = before_and_now(4, seed=7)[1]
    finder, grey = FlowFinder((180, 320)), cv2.cvtColor(now, cv2.COLOR_BGR2GRAY)
    right = led(key_of(before, old), now).weigh(finder, grey, both_ways=True)
    wrong = led(key_of(other, old), now).weigh(finder, grey, both_ways=True)
    assert right < 0.5 < 1.5 < wrong


def test_without_texture_around_the_subject_nothing_is_corrected_or_checked() -> None:
    before, now, old, _ = before_and_now(4)
    key = key_of(before, old)
    key.has_texture = False
    lead = led(key, now)
    assert not lead.is_bounded
    assert lead.way is lead.flow
