"""The sinks of a stream, each with its worker and thread; they may change while it runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial

from streamer.core.metrics import Metrics
from streamer.engine.delivery import SinkWorker
from streamer.engine.threads import Threads
from streamer.errors import SinkStuck
from streamer.frame import StreamInfo
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

    `change` is for one thread at a time, all else for any.
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
        self._lock = threading.Lock()
        self._ended = False
        self._workers = tuple(self._worker(sink, number) for number, sink in enumerate(sinks))
        self._gone: set[SinkWorker] = set()

    def __iter__(self) -> Iterator[SinkWorker]:
        return iter(self._workers)

    @property
    def leases(self) -> int:
        """How many frames they may hold at once."""
        return len(self._workers) * (self._depth + 1)

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
        sinks: Sequence[Sink],
        info: StreamInfo,
        lend: Callable[[int], None],
        *,
        ending_first: bool,
    ) -> None:
        """
        Have frames go to *sinks* from now on. Those that are there already go on undisturbed.

        Args:
            sinks: at least one, no window among those that come or go; new ones are owned.
            info: of the source.
            lend: told how many more frames may be held; fewer if negative.
            ending_first: those that go are ended before new ones are opened, which may need their
                files or addresses; else afterwards, so that no frame is lost.

        Raises:
            SinkError: a new one cannot be opened. All new ones are left out; those that were to go
                go on, unless they were ended first.
        """
        before = self._workers
        stay = [worker for worker in before if any(worker.sink is sink for sink in sinks)]
        go = [worker for worker in before if worker not in stay]
        if ending_first:
            self._workers = tuple(stay)
            self._end(go)
        new = self._opened(
            [sink for sink in sinks if all(w.sink is not sink for w in stay)], sinks, info
        )
        lend((len(new) - len(go)) * (self._depth + 1))
        with self._lock:
            self._workers = tuple(sorted([*stay, *new], key=lambda one: sinks.index(one.sink)))
            ended = self._ended
        if ended:
            self.end()
        if not ending_first:
            self._end(go)

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

    def _opened(
        self, new: Sequence[Sink], sinks: Sequence[Sink], info: StreamInfo
    ) -> list[SinkWorker]:
        """Workers of *new* ones among *sinks*, all of them open or none. Raises SinkError."""
        workers: list[SinkWorker] = []
        try:
            for sink in new:
                workers.append(self._worker(sink, sinks.index(sink)))
                self._open(workers[-1], info)
        except BaseException:
            self._end(workers)
            raise
        return workers

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
        except BaseException as error:
            self.fail(worker, error)
        finally:
            self.close(worker)

    def _worker(self, sink: Sink, number: int) -> SinkWorker:
        worker = SinkWorker(sink, number, self._depth, self._metrics)
        label, count = worker.label, 1
        while self._threads.awaits(worker.label):  # of one that is to go
            count += 1
            worker.label = f"{label} {count}"
        return worker
