"""The sinks of a stream, each with its worker and thread; they may change while it runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial

from streamer.core.metrics import Metrics
from streamer.engine.delivery import Delivery, SinkWorker
from streamer.engine.ring import Lease
from streamer.engine.threads import Threads
from streamer.errors import SinkStuck, StopRequested
from streamer.frame import Matte, StreamInfo
from streamer.packets import AudioPacket
from streamer.protocols import Sink

logger = logging.getLogger("streamer.engine")

_TICK_S = 0.01


class Outputs:
    """
    The workers of a stream's sinks, in their order. Iterating gives those of that moment.

    Args:
        sinks: the first ones.
        depth: how many deliveries may wait for each.
        metrics: for latencies.
        threads: where their threads run.
        stall_s: seconds after which a sink that does not return counts as stuck.

    Attributes:
        drops: whether a frame that no sink is there for is dropped, as while the only one is
            replaced; else it waits for one, as files do.

    `change` is for one thread at a time, `deliver` for the matting's, all else for any.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        depth: int,
        metrics: Metrics,
        threads: Threads,
        *,
        stall_s: float,
    ) -> None:
        self._depth = depth
        self._metrics = metrics
        self._threads = threads
        self._stall_s = stall_s
        self.drops = False
        self._lock = threading.Lock()
        self._ended = False
        self._delivering = threading.Lock()
        """Held while a frame goes to all sinks, and while these are replaced: it has no gap."""
        self._workers = tuple(self._worker(sink, number) for number, sink in enumerate(sinks))
        self._gone: set[SinkWorker] = set()

    def __iter__(self) -> Iterator[SinkWorker]:
        return iter(self._workers)

    @property
    def leases(self) -> int:
        """How many frames they may hold at once."""
        return len(self._workers) * (self._depth + 1)

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return self._ended

    @property
    def waiting(self) -> int:
        """Deliveries in the shortest queue."""
        return min((worker.waiting for worker in self), default=0)

    def deliver(self, lease: Lease, matte: Matte, *, patient: bool) -> None:
        """
        Hand a frame and its matte to every sink.

        Args:
            lease: of the frame; retained until every sink is done.
            matte: of the frame.
            patient: wait for room in each queue, also of a live stream.
        """
        while not self._handed_out(lease, matte, patient=patient):
            if self.drops:
                if not lease.frame.stamp.standby:
                    self._metrics.drop("sink_full")
                return
            time.sleep(_TICK_S)

    def _handed_out(self, lease: Lease, matte: Matte, *, patient: bool) -> bool:
        with self._delivering:
            workers = self._workers
            if not workers:
                return False
            delivery = Delivery(lease, matte, workers, self._metrics)
            for worker in workers:
                worker.put(delivery, patient=patient)
        return True

    def share_audio(self, packets: Sequence[AudioPacket]) -> None:
        """Give *packets* to those that take audio."""
        for worker in self:
            worker.put_audio(packets)

    def end(self) -> None:
        """No more frames will come; what waits is still written."""
        with self._lock:
            self._ended = True
        for worker in self:
            worker.end()

    def abandon_stuck(self) -> None:
        """Fail the stream for each sink that does not return, and no longer wait for that."""
        for worker in self:
            if worker.hosted or worker.label in self._threads.abandoned:
                continue
            if worker.busy_s() > self._stall_s:
                self._threads.abandon(worker.label)
                self._threads.fail(
                    worker.label,
                    SinkStuck(
                        f"a call has not returned for {self._stall_s:g} s; "
                        "is its disk or server still there? pipeline.stall_s is the limit"
                    ),
                )
                worker.give_up()

    def fail(self, worker: SinkWorker, error: BaseException) -> None:
        """Note that a sink has failed, which ends the stream unless it was taken out before."""
        if worker in self._gone:
            logger.warning("%s, which was taken out: %s", worker.label, error)
        else:
            self._threads.fail(worker.label, error)

    def close(self, worker: SinkWorker) -> None:
        """Finish a sink; what it raises is its failure."""
        try:
            worker.close()
        except BaseException as error:
            self.fail(worker, error)

    def change(
        self,
        sinks: Mapping[int, Sink],
        info: StreamInfo,
        lend: Callable[[int], None],
        *,
        ending_first: bool,
    ) -> None:
        """
        Have frames go to *sinks* from now on. Those that are there already go on undisturbed.

        Args:
            sinks: by their numbers, in their order; at least one. Those that stay keep their
                number. No window is among those that come or go. New ones are owned.
            info: of the source.
            lend: told how many more frames may be held; fewer if negative.
            ending_first: those that go are ended before new ones are opened, which may need their
                files or addresses; else afterwards, so that no frame is lost.

        Raises:
            SinkError: a new one cannot be opened. All new ones are left out; those that were to go
                go on, unless they were ended first.
        """
        before = self._workers
        stay = [worker for worker in before if sinks.get(worker.number) is worker.sink]
        go = [worker for worker in before if worker not in stay]
        each = self._depth + 1
        order = list(sinks)
        if ending_first:
            self._replace(stay, order)
            self._end(go)
            lend(-len(go) * each)
        known = {worker.number for worker in stay}
        new = self._opened({n: sink for n, sink in sinks.items() if n not in known}, info)
        lend(len(new) * each)
        self._replace([*stay, *new], order)
        if not ending_first:
            self._end(go)
            lend(-len(go) * each)

    def _replace(self, workers: Sequence[SinkWorker], order: Sequence[int]) -> None:
        """Have the next frame go to *workers*, in the *order* of their numbers."""
        with self._delivering, self._lock:
            self._workers = tuple(sorted(workers, key=lambda one: order.index(one.number)))
            ended = self._ended
        if ended:
            self.end()

    def _end(self, workers: Sequence[SinkWorker]) -> None:
        """Wait until *workers*, which get no more frames, have finished."""
        self._gone = {worker for worker in self._gone if self._threads.awaits(worker.label)}
        self._gone.update(workers)
        for worker in workers:
            worker.end()
        for worker in workers:
            while self._threads.awaits(worker.label):
                if worker.busy_s() > self._stall_s:
                    self._threads.abandon(worker.label)
                    worker.give_up()
                    logger.warning("%s: is stuck, and no longer waited for", worker.label)
                time.sleep(_TICK_S)

    def _opened(self, sinks: Mapping[int, Sink], info: StreamInfo) -> list[SinkWorker]:
        """Workers of *sinks*, by number, all of them open or none. Raises SinkError."""
        new: list[SinkWorker] = []
        try:
            for number, sink in sinks.items():
                new.append(self._worker(sink, number))
                self._open(new[-1], info)
        except BaseException:
            self._end(new)
            raise
        return new

    def _open(self, worker: SinkWorker, info: StreamInfo) -> None:
        """Open a sink in its own thread, which then waits for frames. Raises SinkError."""
        opened = Future[None]()
        self._threads.spawn(worker.label, partial(self._run_added, worker, info, opened))
        while not opened.done():
            if worker.busy_s() > self._stall_s:
                self._threads.abandon(worker.label)
                worker.give_up()
                raise SinkStuck(f"{worker.label}: did not open within {self._stall_s:g} s")
            time.sleep(_TICK_S)
        opened.result()

    def _run_added(self, worker: SinkWorker, info: StreamInfo, opened: Future[None]) -> None:
        try:
            worker.prepare()
            worker.open(info)
        except BaseException as error:
            self._gone.add(worker)
            opened.set_exception(error)
            self.close(worker)
            return
        opened.set_result(None)
        try:
            worker.loop()
        except StopRequested:
            raise
        except BaseException as error:
            self.fail(worker, error)
        finally:
            self.close(worker)

    def _worker(self, sink: Sink, number: int) -> SinkWorker:
        worker = SinkWorker(sink, number, self._depth, self._metrics)
        label, count = worker.label, 1
        while not self._threads.is_free(worker.label):  # of one that is to go, or is stuck
            count += 1
            worker.label = f"{label} {count}"
        return worker
