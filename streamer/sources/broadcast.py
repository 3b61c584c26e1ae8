"""
One live source for several readers: opened once, and read by a thread of its own.

A reader that is alone gets each frame written straight into its own array, when it asks. Once
there is another, the source is read without a pause into pictures that all copy from: each gets
the newest when it asks, and none waits for another.
"""

from __future__ import annotations

import copy
import threading

import numpy as np

from streamer.core.clock import Clock
from streamer.core.cpu import name_thread
from streamer.errors import (
    CorruptFrame,
    EndOfStream,
    FormatChanged,
    SourceError,
    SourceLost,
    SourceTimeout,
    SourceWaiting,
)
from streamer.frame import Grab, Image, StreamInfo, slow_s
from streamer.protocols import Source
from streamer.sources.seats import Picture, Pictures, Seat

_OPEN_S = 10.0
"""Seconds that opening may take, see `Source.open`."""
_CLOSING_S = 3.0
"""Seconds that the connection before may take to close."""
_TICK_S = 0.05
"""How often a reader that waits looks whether the source is silent."""


class Broadcast:
    """
    One connection to a live source, for the readers that have joined.

    Its thread begins with `start`, and ends when the source does or when the last reader has left.
    That thread alone opens, reads and closes the source. Thread-safe; each seat is for one thread.

    Args:
        source: not open yet; owned.
        label: the thread is called `streamer-LABEL`.
        clock: tells how long the source is silent.
        before: another connection to the same device, which is closing; waited for.

    Attributes:
        given_up: a reader found it silent for too long. Its thread may be stuck in a driver.
    """

    def __init__(
        self, source: Source, label: str, clock: Clock, before: Broadcast | None = None
    ) -> None:
        self.label = label
        self.given_up = False
        self._name = source.name
        self._source = source
        self._clock = clock
        self._before = before
        self._changed = threading.Condition()
        self._seats: list[Seat] = []
        self._pictures = Pictures()
        self._number = 0
        """How many frames were read."""
        self._info: StreamInfo | None = None
        """Once the source is open: describes its next frame, and the picture in front."""
        self._over: BaseException | None = None
        """Why there is nothing more to read; nobody joins any more."""
        self._closed = False
        self._heard_ns = clock.now_ns()
        """When the source last gave a sign of life, or was first asked for one."""
        self._idle = False
        """The only reader asks for nothing, so silence means nothing."""
        self._thread = threading.Thread(target=self._serve, name=f"streamer-{label}")

    def start(self) -> None:
        """Begin to open the source; a reader has joined."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether its thread still works, or is stuck."""
        return self._thread.is_alive()

    def join(self, seat: Seat) -> bool:
        """Add a reader; false if it is over, as it is if it was silent for too long."""
        with self._changed:
            if self._over is None and self._is_silent(seat):
                self._give_up(seat)
            if self._over is not None:
                return False
            seat.seen = self._number
            self._seats.append(seat)
            self._changed.notify_all()
            return True

    def opened(self, seat: Seat) -> StreamInfo:
        """Wait until the source is open; see `Source.open`."""
        with self._changed:
            while True:
                if self._over is not None:
                    raise self._ending(seat)
                if self._info is not None:
                    seat.info = self._info
                    return self._info
                seat.raise_notice()
                self._wait(seat)

    def read(self, seat: Seat, out: Image) -> Grab:
        """Write the newest frame that the reader has not had into *out*; see `Source.read`."""
        with self._changed:
            try:
                picture = self._next_for(seat, out)
            finally:
                seat.out = None
            if isinstance(picture, Grab):
                return picture
            assert picture.grab is not None  # noqa: S101 - it is in front
            grab = seat.take(picture.grab)
            seat.seen = picture.number
            picture.copied_by += 1
        try:
            np.copyto(out, picture.image)
        finally:
            with self._changed:
                picture.copied_by -= 1
        return grab

    def leave(self, seat: Seat) -> None:
        """Take a reader away; the last one waits until the source is closed."""
        with self._changed:
            self._seats.remove(seat)
            self._free()
            self._changed.notify_all()
            while not (self._seats or self._closed or self.given_up):
                self._changed.wait()
            closed = self._closed
        if closed:
            self._thread.join()

    def _free(self) -> None:
        """Free the memory of the pictures if nobody is left to copy from them."""
        if not self._seats:
            self._pictures.forget()

    def _next_for(self, seat: Seat, out: Image) -> Picture | Grab:
        """Wait for a picture to copy, or for the grab of a frame that was written into *out*."""
        while True:
            if seat.lent:
                # The source may write to it until its call returns, however long that takes.
                self._changed.wait()
                continue
            if seat.grab is not None:
                grab, seat.grab = seat.grab, None
                return grab
            seat.raise_notice()
            if self._info is not None and seat.info is not self._info:
                seat.info = self._info
                raise FormatChanged(self._info)
            front = self._pictures.front
            if front is not None and front.number <= seat.seen:
                front = None
            if self._over is not None and front is None:
                raise self._ending(seat)
            if out.shape != self._shape:
                raise ValueError(f"an array of {out.shape} for a frame of {self._shape}")
            if front is not None:
                return front
            if seat.out is None:
                seat.out = out
                self._changed.notify_all()
            self._wait(seat)

    @property
    def _shape(self) -> tuple[int, int, int]:
        assert self._info is not None  # noqa: S101 - it is open
        return self._info.height, self._info.width, 3

    def _ending(self, seat: Seat) -> BaseException:
        """Why it is over, in an exception of the reader's own: threads would mix tracebacks."""
        if isinstance(self._over, EndOfStream):
            if not seat.ended:
                seat.hear(self._over.audio)
                seat.ended = True
            return EndOfStream(seat.take_audio())
        assert self._over is not None  # noqa: S101 - called when it is over
        return copy.copy(self._over) if isinstance(self._over, SourceError) else self._over

    def _wait(self, seat: Seat) -> None:
        """Wait for a moment; give the source up if it is silent for too long."""
        if self._is_silent(seat):
            self._give_up(seat)
        else:
            self._changed.wait(_TICK_S)

    def _is_silent(self, seat: Seat) -> bool:
        silence_ns = self._clock.now_ns() - self._heard_ns
        return not self._idle and silence_ns > self._patience_s(seat) * 1e9

    def _patience_s(self, seat: Seat) -> float:
        return _OPEN_S if self._info is None else max(seat.stall_s, slow_s(self._info.fps))

    def _give_up(self, seat: Seat) -> None:
        """End it for all readers, though the source's call has not returned."""
        did = "did not open within" if self._info is None else "gave no frame for"
        self._over = SourceTimeout(f"{self._name}: {did} {self._patience_s(seat):.4g} s")
        self.given_up = True
        self._changed.notify_all()

    # From here on, the reading thread's.

    def _serve(self) -> None:
        name_thread(self.label)
        try:
            if self._before is not None:
                # Most devices can be opened only once.
                self._before._thread.join(_CLOSING_S)
                self._before = None
            self._open()
            self._read_on()
            over: BaseException = SourceLost(f"{self._name}: is not open")
        except (SourceError, EndOfStream) as error:
            # Readers get exceptions of their own, so its traceback tells nobody anything: it only
            # would keep this broadcast, and the decoder with its threads, in a circle.
            over = copy.copy(error)
        except BaseException as error:
            over = error
        # Closed first: readers that learn that it is over may open the device again at once.
        self._source.close()
        with self._changed:
            if self._over is None:
                self._over = over
            self._closed = True
            self._free()
            self._changed.notify_all()

    def _open(self) -> None:
        while not self._ends():
            try:
                info = self._source.open()
            except SourceWaiting as waiting:
                self._tell(waiting)
                continue
            with self._changed:
                self._info = info
                self._heard_ns = self._clock.now_ns()
                self._changed.notify_all()
            return

    def _read_on(self) -> None:
        """Read until nobody wants to any more. Raises what ends the source."""
        while (target := self._target()) is not None:
            image = target.image if isinstance(target, Picture) else target.out
            assert image is not None  # noqa: S101 - a seat is chosen for its array
            try:
                grab = self._source.read(image)
            except FormatChanged as change:
                self._reformat(change.info)
            except (CorruptFrame, SourceWaiting) as notice:
                self._tell(notice)
            else:
                self._publish(grab, target)
            finally:
                if isinstance(target, Seat) and target.lent:
                    self._give_back(target)

    def _ends(self) -> bool:
        """Whether it is over, as it is when no reader is left."""
        with self._changed:
            if self._over is None and not self._seats:
                self._over = SourceLost(f"{self._name}: is not open")
            return self._over is not None

    def _target(self) -> Picture | Seat | None:
        """
        Where to write the next frame: a picture for readers to copy, or the seat of the only
        reader, once it asks. None when it is over.
        """
        with self._changed:
            while not self._ends():
                if len(self._seats) > 1:
                    return self._pictures.unused(self._shape)
                alone = self._seats[0]
                front = self._pictures.front
                # One that it has not had yet is copied first, once the reader wakes up.
                if alone.out is not None and (front is None or front.number <= alone.seen):
                    alone.lent = True
                    self._pictures.forget()
                    return alone
                self._idle = True
                self._changed.wait()
                self._idle = False
                self._heard_ns = self._clock.now_ns()
        return None

    def _reformat(self, info: StreamInfo) -> None:
        with self._changed:
            self._info, self._pictures.front = info, None
            for seat in self._seats:
                seat.out = None  # it has the old size
            self._changed.notify_all()

    def _publish(self, grab: Grab, target: Picture | Seat) -> None:
        with self._changed:
            self._heard_ns = self._clock.now_ns()
            self._number += 1
            for seat in self._seats:
                seat.hear(grab.audio)
            if isinstance(target, Seat):
                # With its sound now: more may come before the reader wakes up.
                target.grab, target.seen = target.take(grab), self._number
                self._give_back(target)
            else:
                target.grab, target.number = grab, self._number
                self._pictures.front = target
            self._changed.notify_all()

    def _tell(self, notice: CorruptFrame | SourceWaiting) -> None:
        """Let every reader know, once."""
        with self._changed:
            if isinstance(notice, SourceWaiting):
                self._heard_ns = self._clock.now_ns()
            for seat in self._seats:
                seat.notice = copy.copy(notice)
            self._changed.notify_all()

    def _give_back(self, seat: Seat) -> None:
        """Let the reader have its array back, which is not written to again."""
        with self._changed:
            seat.lent, seat.out = False, None
            self._changed.notify_all()
