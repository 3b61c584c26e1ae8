"""
The ring between capture and everything after it: slots of memory allocated once and leased.

A slot holds one frame and its future matte, so the two cannot be mixed up. The writer reserves a
slot, fills it and commits it; a reader takes a lease on the oldest waiting slot and may pass it on.
A slot returns to the ring when its last holder lets go, and is never overwritten before.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

import numpy as np

from streamer.config import Settings
from streamer.core.metrics import DropReason
from streamer.errors import EndOfStream
from streamer.frame import Alpha, Frame, Image, Stamp


class DropPolicy(Enum):
    """What a full ring does with one more frame."""

    BLOCK = "block"
    """The writer waits; for files and pictures."""
    DROP_OLDEST = "drop_oldest"
    """The oldest waiting frame is dropped; for live sources."""


class _Slot:
    __slots__ = ("alpha", "holders", "image", "stamp")

    def __init__(self, height: int, width: int) -> None:
        self.image: Image = np.zeros((height, width, 3), np.uint8)
        self.alpha: Alpha = np.zeros((height, width), np.uint8)
        self.stamp: Stamp | None = None
        self.holders = 0

    def fits(self, height: int, width: int) -> bool:
        return self.alpha.shape == (height, width)


class Reservation:
    """
    A slot being written; a context manager that gives the slot back unless `commit` was called.

    If the write may never return, `condemn` leaves the slot to its writer. Thread-safe.

    Attributes:
        image: (H, W, 3) uint8 BGR to write the frame into; old contents.
    """

    __slots__ = ("_condemned", "_ring", "_slot", "image")

    def __init__(self, ring: FrameRing, slot: _Slot) -> None:
        self._ring = ring
        self._slot: _Slot | None = slot
        self._condemned = False
        self.image = slot.image

    def commit(self, stamp: Stamp) -> None:
        """
        Hand the frame to the readers. Once; *image* must not be touched after.

        Does nothing after `condemn`.
        """
        self._ring._commit(self, stamp)

    def condemn(self) -> None:
        """Leave the slot to a writer that is stuck in it; the ring allocates another one."""
        self._ring._condemn(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._ring._give_back(self)


class Lease:
    """
    The right to read one frame and to write and read its alpha.

    Each holder lets go once: the taker by leaving the `with` block, any other that called `retain`
    by `release`. Thread-safe.

    Attributes:
        frame: the frame; its image is borrowed from the ring.
        alpha: (H, W) uint8, where the frame's matte is written; old contents until then.
    """

    __slots__ = ("_ring", "_slot", "alpha", "frame")

    def __init__(self, ring: FrameRing, slot: _Slot, stamp: Stamp) -> None:
        self._ring = ring
        self._slot = slot
        self.frame = Frame(slot.image, stamp)
        self.alpha = slot.alpha

    def give_settings(self, settings: Settings | None) -> None:
        """Give the frame its settings; once, by its taker, before there is any other holder."""
        self.frame = replace(self.frame, settings=settings)

    def retain(self) -> None:
        """Add a holder, who must `release`."""
        self._ring._retain(self._slot)

    def release(self) -> None:
        """Let go. After the last holder's release the slot belongs to the ring again."""
        self._ring._release(self._slot)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.release()


@dataclass(frozen=True, slots=True)
class RingStatistics:
    """A snapshot of a ring."""

    capacity: int
    waiting: int
    """Frames committed and not yet taken; at most `capacity`."""
    leased: int
    """Slots held by readers."""
    slots: int
    """Slots allocated, all together."""


class FrameRing:
    """
    Frames wait here, oldest first, in memory that is allocated once for each frame size.

    Args:
        capacity: how many committed frames may wait, 1 or more.
        policy: what a full ring does with one more frame.
        leases: how many slots the readers may hold at a time. If no slot is left, the writer waits
            (`BLOCK`) or takes that of the oldest waiting frame (`DROP_OLDEST`).
        on_drop: told the reason of each dropped frame of the source, by the thread that caused it.

    One writer, any number of readers. Thread-safe.
    """

    def __init__(
        self,
        capacity: int,
        policy: DropPolicy,
        *,
        leases: int = 1,
        on_drop: Callable[[DropReason], None] = lambda reason: None,
    ) -> None:
        if capacity < 1 or leases < 1:
            raise ValueError(f"a ring of {capacity} frames and {leases} leases")
        self._capacity = capacity
        self._policy = policy
        self._on_drop = on_drop
        self._slots_total = capacity + leases + 1
        self._free: list[_Slot] = []
        self._allocated = 0
        self._waiting: deque[_Slot] = deque()
        self._leased = 0
        self._closed = False
        self._aborted = False
        self._changed = threading.Condition()

    def reserve(self, height: int, width: int, timeout: float | None = None) -> Reservation:
        """
        A slot of *height* x *width* pixels to write into.

        With `BLOCK`, waits while the ring is full. Allocates all slots at the first call, and later
        only when a size is new.

        Raises:
            EndOfStream: the ring was closed.
            TimeoutError: no slot came free within *timeout* seconds.
        """
        with self._changed:
            if not self._changed.wait_for(self._can_reserve, timeout):
                raise TimeoutError("no slot of the ring came free")
            if self._closed:
                raise EndOfStream
            slot = self._next_slot(height, width)
        return Reservation(self, slot)

    def lend(self, more: int) -> None:
        """
        Let the readers hold *more* additional slots, allocated when they are needed; fewer if
        negative: those that are allocated stay.
        """
        with self._changed:
            self._slots_total += more
            self._changed.notify_all()

    def _can_reserve(self) -> bool:
        if self._closed:
            return True
        if self._policy is DropPolicy.BLOCK and len(self._waiting) >= self._capacity:
            return False
        has_slot = bool(self._free) or self._allocated < self._slots_total
        return has_slot or (self._policy is DropPolicy.DROP_OLDEST and bool(self._waiting))

    def _next_slot(self, height: int, width: int) -> _Slot:
        for position, slot in enumerate(self._free):
            if slot.fits(height, width):
                return self._free.pop(position)
        if self._allocated < self._slots_total:
            missing = self._slots_total - self._allocated
            self._free.extend(_Slot(height, width) for _ in range(missing))
            self._allocated = self._slots_total
            return self._free.pop()
        if self._free:
            self._free.pop()
            return _Slot(height, width)
        slot = self._drop_oldest("overwritten")
        return slot if slot.fits(height, width) else _Slot(height, width)

    def _drop_oldest(self, reason: DropReason) -> _Slot:
        slot = self._waiting.popleft()
        self._dropped(slot, reason)
        return slot

    def _dropped(self, slot: _Slot, reason: DropReason) -> None:
        """Report a dropped frame of the source; a stand-by frame does not count."""
        if slot.stamp is not None and not slot.stamp.standby:
            self._on_drop(reason)

    def _commit(self, reservation: Reservation, stamp: Stamp) -> None:
        with self._changed:
            slot, reservation._slot = reservation._slot, None
            if reservation._condemned:
                return
            if slot is None:
                raise RuntimeError("a reservation is committed once")
            slot.stamp = stamp
            if self._closed:
                self._dropped(slot, "stale")
            else:
                if len(self._waiting) >= self._capacity:
                    self._free.append(self._drop_oldest("overwritten"))
                self._waiting.append(slot)
            self._changed.notify_all()

    def _give_back(self, reservation: Reservation) -> None:
        with self._changed:
            slot, reservation._slot = reservation._slot, None
            if slot is not None:
                self._put_by(slot)

    def _condemn(self, reservation: Reservation) -> None:
        with self._changed:
            slot, reservation._slot = reservation._slot, None
            reservation._condemned = True
            if slot is not None:
                self._allocated -= 1
                self._changed.notify_all()

    def take(self, timeout: float | None = None) -> Lease:
        """
        A lease on the oldest waiting frame.

        Raises:
            EndOfStream: the ring is closed and every frame was taken.
            TimeoutError: no frame came within *timeout* seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting or self._closed, timeout):
                raise TimeoutError("no frame came")
            if not self._waiting:
                raise EndOfStream
            slot = self._waiting.popleft()
            slot.holders = 1
            self._leased += 1
            stamp = slot.stamp
            self._changed.notify_all()
        assert stamp is not None, "a waiting slot has a stamp"  # noqa: S101
        return Lease(self, slot, stamp)

    def _retain(self, slot: _Slot) -> None:
        with self._changed:
            slot.holders += 1

    def _release(self, slot: _Slot) -> None:
        with self._changed:
            if slot.holders < 1:
                raise RuntimeError("a lease was released more often than it was held")
            slot.holders -= 1
            if slot.holders == 0:
                self._leased -= 1
                self._put_by(slot)

    def _put_by(self, slot: _Slot) -> None:
        """Keep *slot* for another frame, if there may be one."""
        if not self._closed:
            self._free.append(slot)
        self._changed.notify_all()

    def close(self) -> None:
        """
        End the stream: writers get `EndOfStream`, readers the waiting frames and then that.

        Its memory goes with the last lease: who keeps an ended stream, for its figures or until
        Python's collector finds it, keeps no pictures.
        """
        with self._changed:
            self._closed = True
            self._free.clear()
            self._changed.notify_all()

    def abort(self) -> None:
        """Close, and drop the waiting frames as `stale`."""
        with self._changed:
            self._closed = self._aborted = True
            self._free.clear()
            while self._waiting:
                self._drop_oldest("stale")
            self._changed.notify_all()

    @property
    def aborted(self) -> bool:
        """Whether the stream ended by `abort`: frames still in work are not wanted either."""
        return self._aborted

    def statistics(self) -> RingStatistics:
        """How full the ring is now."""
        with self._changed:
            return RingStatistics(self._capacity, len(self._waiting), self._leased, self._allocated)
