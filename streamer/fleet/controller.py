"""
Who has which stream: one at a time, under a lease.

Another worker gets a stream once the one that had it has said that it let go, or once its lease has
run out for certain: workers let go `lease_s` after they sent the report that was answered last, and
the controller waits `SAFETY_S` longer from when that came. One that is started again waits as long
before it places anything, and takes over what workers report.
"""

from __future__ import annotations

import threading
import time

from streamer.config import Config
from streamer.config.fleet import Fleet
from streamer.core.clock import Clock, SystemClock
from streamer.fleet.book import Book, Stream, Worker
from streamer.fleet.messages import Hold, Order, Orders, Report
from streamer.fleet.status import FleetStatus, NodeStatus, PlaceStatus
from streamer.fleet.steps import (
    NS,
    Rolling,
    empty_nodes,
    hand_over,
    place_streams,
    relieve_nodes,
)

SAFETY_S = 1.0
"""By which a lease outlasts what its worker believes."""


class Controller:
    """
    Decides which worker has which stream.

    `hear` takes a worker's report and answers with its orders; `tick` is to be called about twice a
    second, and says which workers have other orders since.

    Args:
        fleet: what is wanted.
        again: whether an earlier controller may have placed streams that are not reported yet.
        clock: monotonic time.
        began_us: microseconds of wall-clock time; more than any earlier controller's.

    Thread-safe.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        again: bool = False,
        clock: Clock | None = None,
        began_us: int | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._rules = fleet.fleet
        self._generation = began_us if began_us is not None else time.time_ns() // 1000
        self._book = Book(self._generation)
        self._rolling = Rolling()
        self._number = 0
        """Of the latest orders, for whomever: a worker that was given up may come back."""
        self._draining: set[str] = set()
        """Names of nodes."""
        self._lock = threading.RLock()
        self._settled_ns = self._clock.now_ns() + (self._expiry_ns if again else 0)
        self.want(fleet)

    @property
    def _expiry_ns(self) -> int:
        return int((self._rules.lease_s + SAFETY_S) * NS)

    def want(self, fleet: Fleet) -> None:
        """
        Make *fleet* what is wanted.

        Streams that are gone are ended, new ones placed. Those that changed are changed node by
        node, each once the one before has taken it, and no further if one of them cannot.
        """
        with self._lock:
            self._rules = fleet.fleet
            self._rolling.begin()
            for stream in list(self._book.streams.values()):
                if stream.name not in fleet.streams:
                    self._book.drop(stream)
            for name, config in fleet.streams.items():
                self._book.want(name, config)

    def drain(self, node: str, *, draining: bool = True) -> None:
        """
        Empty *node*, and give it nothing; or no longer.

        Raises:
            KeyError: no worker is there.
        """
        with self._lock:
            here = [worker for worker in self._book.workers.values() if worker.node == node]
            if not here:
                raise KeyError(node)
            (self._draining.add if draining else self._draining.discard)(node)
            for worker in here:
                worker.draining = draining
                self._book.touched.add(worker.name)

    def hear(self, report: Report) -> Orders:
        """Take a worker's *report*, which renews its leases, and tell it what it is to have."""
        with self._lock:
            now_ns = self._clock.now_ns()
            worker = self._book.workers.get(report.worker)
            if worker is None:
                worker = self._book.workers[report.worker] = Worker(report, now_ns)
                if report.draining:  # an earlier controller said so
                    self._draining.add(worker.node)
            elif report.number <= worker.report.number:
                return self._orders_of(worker)  # it was overtaken by a later one
            worker.report, worker.heard_ns = report, now_ns
            worker.draining = worker.node in self._draining
            for hold in report.holds:
                self._note(worker, hold, now_ns)
            held = {hold.stream for hold in report.holds}
            for name in worker.streams - held:
                self._note_absence(worker, self._book.streams[name])
            return self._orders_of(worker)

    def orders_of(self, worker: str) -> Orders | None:
        """What *worker* is to have now; None if it is not known."""
        with self._lock:
            known = self._book.workers.get(worker)
            return self._orders_of(known) if known is not None else None

    def tick(self) -> set[str]:
        """Take the next steps. Returns the workers whose orders are others since the last call."""
        with self._lock:
            book, now_ns = self._book, self._clock.now_ns()
            for worker in list(book.workers.values()):
                if now_ns - worker.heard_ns > self._expiry_ns:
                    book.lose(worker)
            if now_ns >= self._settled_ns:
                hand_over(book, self._rules, now_ns)
                place_streams(book, self._rules, now_ns)
                self._rolling.step(book, now_ns)
                book.frozen = bool(self._rolling.halted)
                empty_nodes(book, now_ns)
                relieve_nodes(book, self._rules, now_ns)
            touched, book.touched = book.touched, set()
            return touched & book.workers.keys()

    def status(self) -> FleetStatus:
        """Where all streams are, and how the nodes."""
        with self._lock:
            now_ns = self._clock.now_ns()
            nodes = [_status_of(worker, now_ns) for worker in self._book.workers.values()]
            return FleetStatus(
                nodes=tuple(sorted(nodes, key=lambda node: (node.name, node.worker))),
                streams=tuple(self._place_of(stream) for stream in self._book.streams.values()),
                halted=self._rolling.halted,
                settling=now_ns < self._settled_ns,
            )

    def _place_of(self, stream: Stream) -> PlaceStatus:
        home, workers = stream.home, self._book.workers
        if home is None:
            return PlaceStatus(stream.name, None, "waiting", stream.why)
        hold = home.hold
        return PlaceStatus(
            stream=stream.name,
            node=workers[home.worker].node,
            state=hold.state if hold is not None else "loading",
            why=(hold.why if hold is not None else "") or home.because,
            bound_for=workers[stream.next.worker].node if stream.next is not None else None,
            outdated=hold is not None and hold.digest != stream.version.digest,
        )

    def _note(self, worker: Worker, hold: Hold, now_ns: int) -> None:
        """Take what *worker* says of a stream that it has."""
        stream = self._book.streams.get(hold.stream)
        if stream is None:
            return
        for place in stream.places:
            if (place.worker, place.epoch) == (worker.name, hold.epoch):
                place.hold = hold
                if hold.state == "running" and hold.digest == place.told.digest:
                    stream.taken = place.told
                break
        else:
            home = stream.home
            # An earlier controller gave it. What is only prepared may have its home elsewhere.
            if not hold.begun or (home is not None and home.epoch >= hold.epoch):
                return
            self._book.take_over(stream, worker, hold, now_ns)
        if hold.busy is not None and hold.state == "running":
            self._book.costs.measured(stream.name, stream.config.needs.weight, hold.busy)

    def _note_absence(self, worker: Worker, stream: Stream) -> None:
        """Note that *worker* does not have *stream*, which it is or was to have."""
        for place in stream.places:
            if place.worker == worker.name:
                place.hold = None
        home = stream.home
        if home is None or home.worker != worker.name or home.left is None:
            return
        if worker.report.seen > home.left:  # or it may have been told so, and not know it yet
            self._book.left(stream)

    def _orders_of(self, worker: Worker) -> Orders:
        self._number += 1
        worker.number = self._number
        known = {hold.digest for hold in worker.report.holds}
        orders: list[Order] = []
        configs: dict[str, Config] = {}
        for name in sorted(worker.streams):
            stream = self._book.streams[name]
            for place in stream.places:
                if place.worker != worker.name or place.left is not None:
                    continue
                told = place.told
                orders.append(Order(name, place.epoch, told.digest, place is stream.home))
                if told.digest not in known and told.config is not None:
                    configs[told.digest] = told.config
        return Orders(
            controller=self._generation,
            number=self._number,
            orders=tuple(orders),
            configs=configs,
            lease_s=self._rules.lease_s,
            renew_s=self._rules.renew_s,
            draining=worker.draining,
        )


def _status_of(worker: Worker, now_ns: int) -> NodeStatus:
    return NodeStatus(
        name=worker.node,
        worker=worker.name,
        busy=worker.report.busy,
        late=worker.late,
        streams=len(worker.streams),
        draining=worker.draining,
        silent_s=(now_ns - worker.heard_ns) / NS,
        addresses=dict(worker.report.addresses),
        trouble=worker.report.trouble,
    )
