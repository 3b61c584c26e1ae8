"""Key frames, once their alpha is there."""

from __future__ import annotations

import numpy as np

from streamer.matting.tracking.keys import Key

SMALL, LARGE = (36, 64), (144, 256)
PERSON, LAMP = np.s_[10:36, 10:20], np.s_[0:36, 40:64]


def found() -> Key:
    """A person, and a lamp that is larger."""
    key = Key(LARGE, SMALL)
    key.alpha.fill(0)
    key.near.fill(0)
    for place in (PERSON, LAMP):
        key.near[place] = 255
        key.alpha[tuple(slice(4 * part.start, 4 * part.stop) for part in place)] = 255
    key.area, key.is_rough = int(np.count_nonzero(key.near)), True
    return key


def test_what_is_kept_is_all_there_is():
    key = found()
    where = np.zeros(SMALL, np.uint8)
    where[PERSON] = 255
    key.keep(where)
    assert key.alpha[40:144, 40:80].all()
    assert np.count_nonzero(key.alpha) == 26 * 10 * 16
    assert key.area == np.count_nonzero(key.near) == 26 * 10
    assert key.is_rough


def test_where_nothing_is_kept_there_is_nobody():
    key = found()
    key.keep(np.zeros(SMALL, np.uint8))
    assert key.is_empty
    assert not (key.is_rough)
    assert not (key.area)
    assert not (key.alpha.any())
    assert not (key.near.any())
