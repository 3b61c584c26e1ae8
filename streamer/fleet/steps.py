"""The steps by which a fleet comes nearer to what is wanted; each is tried at every tick."""

from __future__ import annotations

from streamer.config import Config
from streamer.config.fleet import FleetConfig
from streamer.fleet.book import Book, Stream, Worker
from streamer.fleet.placement import Rooms, fits

NS = 1_000_000_000
PATIENCE_S = 120.0
"""That a worker may take to load a stream, or to change one."""
_AT_ONCE = 4
"""Streams that a node which is emptied gives away at the same time."""
_MARGIN = 0.1
"""By which a node must stay below `full` to get a stream of one that is late."""


def place_streams(book: Book, rules: FleetConfig, now_ns: int) -> None:
    """
    Give streams that are nowhere to nodes where they fit.

    Those that lost their node may fill one up to the end: better late than away.
    """
    homeless = [it for it in book.streams.values() if it.home is None and it.next is None]
    lost = [stream for stream in homeless if stream.lost]
    others = [stream for stream in homeless if not stream.lost]
    for streams, full in ((lost, 1.0), (others, rules.full)):
        if not streams:
            continue
        rooms = book.room(full)
        for stream in streams:
            needs = stream.config.needs
            worker = rooms.place(needs, book.cost(stream))
            if worker is None:
                stream.why = rooms.why_not(needs)
            else:
                book.move_in(stream, worker, _because(stream.config, book), now_ns)


def hand_over(book: Book, rules: FleetConfig, now_ns: int) -> None:
    """Have homes let go of streams that are prepared elsewhere; give up where that fails."""
    for stream in book.streams.values():
        home, place = stream.home, stream.next
        if home is None or place is None or home.left is not None:
            continue
        state = place.hold.state if place.hold is not None else "loading"
        if state == "prepared":
            book.leave(stream)
        elif state == "down" or now_ns - place.since_ns > PATIENCE_S * NS:
            book.cancel_next(stream)
            stream.stays_ns = now_ns + int(rules.stay_s * NS)


def empty_nodes(book: Book, now_ns: int) -> None:
    """Move streams away from nodes that are drained, or no longer have what they need."""
    rooms: Rooms | None = None
    for worker in list(book.workers.values()):
        if not worker.streams:
            continue
        must = book.at_home(worker, lambda it, worker=worker: _must_leave(it, worker))  # type: ignore[misc]
        under_way = sum(stream.next is not None for stream in must)
        still = [stream for stream in must if stream.next is None]
        for stream in still[: max(0, _AT_ONCE - under_way)]:
            rooms = rooms or book.room(1.0)
            _move(book, stream, rooms, book.cost(stream), now_ns, f"{worker.node} is emptied")


def relieve_nodes(book: Book, rules: FleetConfig, now_ns: int) -> None:
    """Move a stream away from each node that has been late for a while."""
    rooms: Rooms | None = None
    for worker in list(book.workers.values()):
        if not _is_late_for_long(worker, rules, now_ns):
            continue
        streams = book.at_home(worker, lambda it: it.next is None)
        if len(streams) < 2:
            continue
        rooms = rooms or book.room(rules.full - _MARGIN)
        streams.sort(key=lambda it: -book.cost(it))
        for stream in streams:
            if stream.stays_ns > now_ns:
                continue
            cost = book.costs.elsewhere(stream.name, stream.config.needs.weight)
            if _move(book, stream, rooms, cost, now_ns, f"{worker.node} was late"):
                stream.stays_ns = now_ns + int(rules.stay_s * NS)
                worker.gave_ns = now_ns
                break


class Rolling:
    """
    Changes the streams of one node after the other, each once those of the one before have changed.

    Attributes:
        halted: why it goes no further, for a user; empty while it may.
    """

    def __init__(self) -> None:
        self.halted = ""
        self._at: tuple[str, int] | None = None
        """The worker whose streams are being changed, and since when."""

    def begin(self) -> None:
        """Begin anew, with what is wanted now."""
        self.halted, self._at = "", None

    def step(self, book: Book, now_ns: int) -> None:
        """See how far the present node has come, and go on to the next."""
        if self.halted or not self._has_changed(book, now_ns):
            return
        behind = [
            worker
            for worker in book.workers.values()
            if any(book.streams[name].is_outdated for name in worker.streams)
            and book.at_home(worker, lambda it: it.is_outdated)
        ]
        if not behind:
            self._at = None
            return
        worker = min(behind, key=lambda it: (it.node, it.name))
        for stream in book.at_home(worker, lambda it: it.is_outdated):
            if stream.home is not None:
                stream.home.told = stream.version
        book.touched.add(worker.name)
        self._at = (worker.name, now_ns)

    def _has_changed(self, book: Book, now_ns: int) -> bool:
        """Whether the present node's streams are what they were told to be."""
        worker = book.workers.get(self._at[0]) if self._at is not None else None
        if worker is None or self._at is None:
            return True
        changing = book.at_home(worker, _is_changing)
        for stream in changing:
            hold = stream.home.hold if stream.home is not None else None
            if hold is not None and hold.refused == stream.version.digest:
                self.halted = f"{stream.name}: {hold.why}"
            elif now_ns - self._at[1] > PATIENCE_S * NS:
                self.halted = f"{stream.name}: has not changed within {PATIENCE_S:g} s"
        return not changing


def _is_changing(stream: Stream) -> bool:
    home = stream.home
    if home is None or home.hold is None or home.left is not None:
        return False
    return home.hold.digest != home.told.digest


def _must_leave(stream: Stream, worker: Worker) -> bool:
    return worker.draining or not fits(stream.config.needs, worker.report.node)


def _is_late_for_long(worker: Worker, rules: FleetConfig, now_ns: int) -> bool:
    """Whether it has been late for `patience_s`, and gave nothing away within that time."""
    late = worker.late
    if late < rules.late / 2 or (worker.late_since_ns is None and late < rules.late):
        worker.late_since_ns = None
        return False
    if worker.late_since_ns is None:
        worker.late_since_ns = now_ns
    since_ns = max(worker.late_since_ns, worker.gave_ns)
    return now_ns - since_ns >= rules.patience_s * NS


def _move(book: Book, stream: Stream, rooms: Rooms, cost: float, now_ns: int, because: str) -> bool:
    """Have *stream* prepared where it fits; false if that is nowhere."""
    home = stream.home
    here = home.worker if home is not None else None
    worker = rooms.place(stream.config.needs, cost, lambda it: it != here)
    if worker is None:
        return False
    book.prepare(stream, worker, because, now_ns)
    return True


def _because(config: Config, book: Book) -> str:
    labels = [f"{name}: {value}" for name, value in config.needs.labels.items()]
    wanted = [*labels, *(["a GPU"] if config.needs.gpu else [])]
    having = f" with {', '.join(wanted)}" if wanted else ""
    return f"the least busy of {len(book.workers)} nodes{having}"
