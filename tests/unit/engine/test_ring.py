"""The ring: leases, drop policies, and memory that is allocated once."""

from __future__ import annotations

import threading
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.engine.ring import DropPolicy, FrameRing
from streamer.errors import EndOfStream
from streamer.frame import Stamp

HEIGHT, WIDTH = 4, 6


def put(ring: FrameRing, index: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    with ring.reserve(*size, timeout=0) as slot:
        slot.image.fill(index)
        slot.commit(Stamp(index, index, Fraction(1, 25), 0, 0))


def taken(ring: FrameRing) -> list[int]:
    indices = []
    while ring.statistics().waiting:
        with ring.take(timeout=0) as lease:
            assert (lease.frame.image == lease.frame.stamp.index).all()
            indices.append(lease.frame.stamp.index)
    return indices


def test_frames_come_out_in_the_order_they_went_in() -> None:
    ring = FrameRing(3, DropPolicy.BLOCK)
    for index in range(3):
        put(ring, index)
    assert taken(ring) == [0, 1, 2]


def test_a_full_ring_that_blocks_makes_the_writer_wait() -> None:
    ring = FrameRing(2, DropPolicy.BLOCK)
    put(ring, 0)
    put(ring, 1)
    with pytest.raises(TimeoutError):
        ring.reserve(HEIGHT, WIDTH, timeout=0)
    assert taken(ring) == [0, 1]


def test_a_full_ring_that_drops_loses_the_oldest_and_counts_it() -> None:
    drops: list[str] = []
    ring = FrameRing(2, DropPolicy.DROP_OLDEST, on_drop=drops.append)
    for index in range(5):
        put(ring, index)
    assert drops == ["overwritten"] * 3
    assert taken(ring) == [3, 4]


def test_a_leased_slot_is_never_overwritten() -> None:
    ring = FrameRing(1, DropPolicy.DROP_OLDEST, leases=2)
    put(ring, 0)
    lease = ring.take()
    for index in range(1, 20):
        put(ring, index)
    assert (lease.frame.image == 0).all()
    lease.release()


def test_a_slot_returns_after_its_last_holder_lets_go() -> None:
    ring = FrameRing(1, DropPolicy.BLOCK, leases=1)
    put(ring, 0)
    with ring.take() as lease:
        lease.retain()
    assert ring.statistics().leased == 1
    lease.release()
    assert ring.statistics().leased == 0
    with pytest.raises(RuntimeError, match="more often"):
        lease.release()


def test_memory_is_allocated_once() -> None:
    ring = FrameRing(2, DropPolicy.DROP_OLDEST, leases=1)
    seen = set()
    for index in range(50):
        put(ring, index)
        with ring.take() as lease:
            seen.add(lease.frame.image.ctypes.data)
    assert len(seen) <= 4
    assert ring.statistics().slots <= 4


def test_a_new_size_gets_new_slots_while_old_leases_stay_whole() -> None:
    ring = FrameRing(1, DropPolicy.DROP_OLDEST, leases=1)
    put(ring, 7)
    old = ring.take()
    for index in range(5):
        put(ring, index, (8, 10))
    assert old.frame.image.shape == (HEIGHT, WIDTH, 3)
    assert (old.frame.image == 7).all()
    old.release()
    with ring.take() as lease:
        assert lease.frame.image.shape == (8, 10, 3)
        assert lease.alpha.shape == (8, 10)


def test_a_reservation_that_is_not_committed_goes_back() -> None:
    ring = FrameRing(1, DropPolicy.BLOCK)
    for _ in range(10):
        with ring.reserve(HEIGHT, WIDTH, timeout=0):
            pass
    assert ring.statistics().waiting == 0
    assert ring.statistics().leased == 0


def test_closing_lets_readers_drain_and_then_ends() -> None:
    ring = FrameRing(2, DropPolicy.BLOCK)
    put(ring, 0)
    ring.close()
    assert taken(ring) == [0]
    with pytest.raises(EndOfStream):
        ring.take()
    with pytest.raises(EndOfStream):
        ring.reserve(HEIGHT, WIDTH)


def test_a_commit_after_the_end_is_counted_as_stale() -> None:
    drops: list[str] = []
    ring = FrameRing(2, DropPolicy.BLOCK, on_drop=drops.append)
    with ring.reserve(HEIGHT, WIDTH) as slot:
        ring.close()
        slot.commit(Stamp(0, 0, Fraction(1), 0, 0))
    assert drops == ["stale"]


def test_aborting_drops_what_waits() -> None:
    drops: list[str] = []
    ring = FrameRing(2, DropPolicy.BLOCK, on_drop=drops.append)
    put(ring, 0)
    put(ring, 1)
    ring.abort()
    assert drops == ["stale", "stale"]
    with pytest.raises(EndOfStream):
        ring.take()


@pytest.mark.parametrize("side", ["reader", "writer"])
def test_closing_wakes_whoever_waits(side) -> None:
    ring = FrameRing(1, DropPolicy.BLOCK)
    ended = threading.Event()
    if side == "writer":
        put(ring, 0)

    def wait() -> None:
        try:
            ring.take() if side == "reader" else ring.reserve(HEIGHT, WIDTH)
        except EndOfStream:
            ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    ring.close()
    thread.join(5)
    assert ended.is_set()


@given(
    capacity=st.integers(1, 4),
    steps=st.lists(st.sampled_from(["put", "take", "release"]), max_size=60),
)
def test_every_frame_is_taken_once_or_dropped_once(capacity, steps) -> None:
    drops: list[str] = []
    ring = FrameRing(capacity, DropPolicy.DROP_OLDEST, leases=2, on_drop=drops.append)
    written, seen, held = 0, [], []
    for step in steps:
        if step == "put":
            put(ring, written)
            written += 1
        elif step == "take" and ring.statistics().waiting and len(held) < 2:
            held.append(ring.take(timeout=0))
            seen.append(held[-1].frame.stamp.index)
        elif step == "release" and held:
            held.pop(0).release()
        for lease in held:
            assert (lease.frame.image == lease.frame.stamp.index).all()
    assert seen == sorted(set(seen))
    assert written == len(seen) + len(drops) + ring.statistics().waiting
    assert ring.statistics().slots <= capacity + 3


def test_a_condemned_slot_is_left_to_its_writer_and_replaced() -> None:
    ring = FrameRing(1, DropPolicy.DROP_OLDEST)
    put(ring, 0)
    stuck = ring.reserve(HEIGHT, WIDTH)
    slots = ring.statistics().slots
    stuck.condemn()
    stuck.condemn()
    for index in range(1, 5):
        put(ring, index)
        stuck.image.fill(99)
        assert taken(ring) == [index]
    assert ring.statistics().slots <= slots


def test_a_late_commit_of_a_condemned_slot_does_nothing() -> None:
    drops: list[str] = []
    ring = FrameRing(2, DropPolicy.DROP_OLDEST, on_drop=drops.append)
    with ring.reserve(HEIGHT, WIDTH) as late:
        late.condemn()
        put(ring, 1)
        late.commit(Stamp(0, 0, Fraction(1, 25), 0, 0))
    assert taken(ring) == [1]
    assert drops == []


def test_a_writer_that_waits_is_woken_by_a_condemned_slot() -> None:
    ring = FrameRing(1, DropPolicy.BLOCK)
    held = [ring.reserve(HEIGHT, WIDTH) for _ in range(3)]
    with pytest.raises(TimeoutError):
        ring.reserve(HEIGHT, WIDTH, timeout=0)
    held[0].condemn()
    ring.reserve(HEIGHT, WIDTH, timeout=0)


def test_frames_that_stand_in_are_dropped_uncounted() -> None:
    drops: list[str] = []
    ring = FrameRing(1, DropPolicy.DROP_OLDEST, on_drop=drops.append)
    for index in range(3):
        with ring.reserve(HEIGHT, WIDTH) as slot:
            slot.commit(Stamp(index, index, Fraction(1, 25), 0, 0, standby=True))
    ring.abort()
    assert drops == []
