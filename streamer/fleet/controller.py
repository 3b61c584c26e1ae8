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
from streamer.errors import ConfigError
from streamer.fleet.book import Book, Stream, Worker, outputs_of
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

_HELD_UP_S = 3.0
"""Between two ticks, beyond which this process was held up."""
_SILENT = 3
"""Reports that a worker may owe before it gets no more streams."""
_MISSING_S = 10.0
"""After which a stream that its worker does not have, though it is told to, is placed elsewhere."""
SAFETY_S = 1.0
"""By which a lease outlasts what its worker believes."""


class Controller:
    """
    Decides which worker has which stream.

    `hear` takes a worker's report and answers with its orders; `tick` is to be called about once a
    second, and at news, and says which workers have other orders since.

    Args:
        fleet: what is wanted.
        again: whether an earlier controller may have placed streams that are not reported yet.
        clock: monotonic time.
        began_us: microseconds of wall-clock time; more than any earlier controller's.

    Attributes:
        page: URL of the fleet's page, for its status.
        trouble: what is wrong with the controller itself, likewise.

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
        self.page = ""
        self.trouble = ""
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
        now_ns = self._ticked_ns = self._clock.now_ns()
        self._settled_ns = now_ns + (self._expiry_ns if again else 0)
        self._book.again = again
        self._book.silent_ns = int(_SILENT * fleet.fleet.renew_s * NS)
        self.want(fleet)

    @property
    def _expiry_ns(self) -> int:
        return int((self._rules.lease_s + SAFETY_S) * NS)

    def want(self, fleet: Fleet) -> None:
        """
        Make *fleet* what is wanted.

        Streams that are gone are ended, new ones placed. Those that changed are changed node by
        node, each once the one before has taken it, and no further if one of them cannot.

        Raises:
            ConfigError: it has other leases; those that were given must run out as they were.
        """
        with self._lock:
            for name in ("lease_s", "renew_s"):
                if getattr(fleet.fleet, name) != getattr(self._rules, name):
                    raise ConfigError(f"fleet.{name}: is fixed while the fleet runs")
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
                worker = Worker(report, now_ns, granted_ns=now_ns, advanced_ns=now_ns)
                self._book.workers[report.worker] = worker
                if report.draining and now_ns < self._settled_ns:  # an earlier controller said so
                    self._draining.add(worker.node)
            elif report.number <= worker.report.number:
                return self._orders_of(worker)  # it was overtaken by a later one
            elif report.seen > worker.report.seen:
                worker.advanced_ns, worker.hears = now_ns, True
            worker.report, worker.heard_ns = report, now_ns
            grants = now_ns - worker.advanced_ns < self._expiry_ns  # answers do reach it
            if grants:
                worker.granted_ns = now_ns + self._expiry_ns
            worker.draining = worker.node in self._draining
            for hold in report.holds:
                self._note(worker, hold, now_ns)
            held = {hold.stream for hold in report.holds}
            for name in worker.streams - held:
                self._note_absence(worker, self._book.streams[name], now_ns)
            return self._orders_of(worker, grants=grants)

    def orders_of(self, worker: str) -> Orders | None:
        """What *worker* is to have now; None if it is not known."""
        with self._lock:
            known = self._book.workers.get(worker)
            return self._orders_of(known) if known is not None else None

    def tick(self) -> set[str]:
        """Take the next steps. Returns the workers whose orders are others since the last call."""
        with self._lock:
            book, now_ns = self._book, self._clock.now_ns()
            held_up_ns = now_ns - self._ticked_ns
            self._ticked_ns = now_ns
            if held_up_ns > _HELD_UP_S * NS:  # and nobody could be heard
                for worker in book.workers.values():
                    worker.granted_ns += held_up_ns
            for worker in list(book.workers.values()):
                if now_ns > worker.granted_ns:
                    book.lose(worker)
            if now_ns >= self._settled_ns:
                book.again = False
                hand_over(book, self._rules, now_ns)
                place_streams(book, self._rules, now_ns)
                self._rolling.step(book, now_ns)
                book.frozen = bool(self._rolling.halted)
                empty_nodes(book, self._rules, now_ns)
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
                page=self.page,
                trouble=self.trouble,
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
            why=(hold.why if hold is not None else "") or stream.stuck or home.because,
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
                place.hold, place.missing_ns = hold, None
                if hold.state == "running" and hold.digest == place.told.digest:
                    stream.taken = place.told
                    place.outputs = outputs_of(place.told.config or stream.config)
                break
        else:
            home = stream.home
            # An earlier controller gave it. What is only prepared may have its home elsewhere.
            if not hold.begun or (home is not None and home.epoch >= hold.epoch):
                return
            self._book.take_over(stream, worker, hold, now_ns)
        if hold.state != "down":
            stream.down_since_ns = None
        elif stream.down_since_ns is None:
            stream.down_since_ns = now_ns
        if hold.busy is not None and hold.state == "running":
            self._book.costs.measured(stream.name, stream.config.needs.weight, hold.busy)

    def _note_absence(self, worker: Worker, stream: Stream, now_ns: int) -> None:
        """Note that *worker* does not have *stream*, which it is or was to have."""
        for place in stream.places:
            if place.worker == worker.name:
                place.hold = None
        home = stream.home
        if home is None or home.worker != worker.name:
            return
        if home.left is not None:
            if worker.report.seen > home.left:  # or it may have been told so, and not know it yet
                self._book.left(stream)
        elif home.adopted:  # by a report that was late: it has let go since
            self._book.left(stream)
        elif home.missing_ns is None:
            home.missing_ns = now_ns
        elif now_ns - home.missing_ns > _MISSING_S * NS:
            stream.avoids[worker.name] = now_ns + int(self._rules.stay_s * NS)
            self._book.leave(stream)

    def _orders_of(self, worker: Worker, *, grants: bool = False) -> Orders:
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
            lease_s=self._rules.lease_s if grants else 0.0,
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
        hears=worker.hears,
    )
