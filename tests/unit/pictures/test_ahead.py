import threading
from contextlib import closing

import numpy as np
import pytest

from streamer.errors import SourceUnsupported
from streamer.pictures import OpenPicture, Photo, ahead

SMALL = Photo(np.zeros((1, 1, 3), np.uint8))


class Fake(OpenPicture):
    """A picture whose decoding waits for leave, and that remembers what became of it."""

    def __init__(self, pixels=1, *, bad=False):
        self.pixels = pixels
        self.bad = bad
        self.may_read = threading.Event()
        self.may_read.set()
        self.was_read = threading.Event()
        self.closed = False

    def read(self):
        assert self.may_read.wait(10)
        self.was_read.set()
        if self.bad:
            raise SourceUnsupported("damaged")
        return SMALL

    def close(self):
        self.closed = True


def opened(made):
    """What opens the pictures by their numbers, and the numbers of those that were."""
    numbers = []

    def open_job(number):
        numbers.append(number)
        if made[number] is None:
            raise SourceUnsupported(f"{number}: no picture")
        return made[number]

    return open_job, numbers


def test_all_come_in_order_with_their_pictures_or_why_there_is_none():
    made = [Fake(), None, Fake(bad=True), None, None, None, Fake()]
    open_job, _ = opened(made)
    results = list(ahead(range(7), open_job, threads=2))
    assert [number for number, _ in results] == list(range(7))
    assert [str(r) if r is not SMALL else "" for _, r in results] == [
        "",
        "1: no picture",
        "damaged",
        "3: no picture",
        "4: no picture",
        "5: no picture",
        "",
    ]
    assert all(fake.closed for fake in made if fake)


def test_the_next_are_decoded_while_one_is_worked_on():
    made = [Fake() for _ in range(6)]
    open_job, _ = opened(made)
    with closing(ahead(range(6), open_job, threads=2)) as pictures:
        next(pictures)
        assert made[1].was_read.wait(10)


@pytest.mark.parametrize(("threads", "max_pixels", "ready"), [(3, 1000, 3), (3, 25, 2), (3, 5, 1)])
def test_no_more_are_decoded_than_may_wait(threads, max_pixels, ready):
    made = [Fake(10) for _ in range(9)]
    for fake in made[1:]:
        fake.may_read.clear()
    open_job, numbers = opened(made)
    with closing(ahead(range(9), open_job, threads=threads, max_pixels=max_pixels)) as pictures:
        next(pictures)
        # One header more is known than there is room for.
        assert len(numbers) == ready + 1
        for fake in made:
            fake.may_read.set()
        next(pictures)
        assert len(numbers) == ready + 2


def test_a_picture_beyond_all_room_comes_alone():
    made = [Fake(1), Fake(10**9), Fake(1)]
    open_job, _ = opened(made)
    assert [r for _, r in ahead(range(3), open_job, threads=2, max_pixels=5)] == [SMALL] * 3


def test_whoever_leaves_early_leaves_nothing_open():
    made = [Fake() for _ in range(9)]
    open_job, numbers = opened(made)
    with closing(ahead(range(9), open_job, threads=2)) as pictures:
        next(pictures)
    assert len(numbers) < 9
    assert all(made[number].closed for number in numbers)
