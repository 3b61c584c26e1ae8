"""The steps by which a fleet comes nearer to what is wanted; each is tried at every tick."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from streamer.config import Config
from streamer.config.fleet import FleetConfig
from streamer.fleet.book import Book, Stream, Worker, outputs_of
from streamer.fleet.placement import Rooms, fits

NS = 1_000_000_000
PATIENCE_S = 120.0
"""That a worker may take to load a stream, or to change one."""
_DOWN_S = 60.0
"""After which a stream that its home cannot run is tried elsewhere."""
_AT_ONCE = 4
"""Streams that a node which is emptied gives away at the same time."""
_MARGIN = 0.1
"""By which a node must stay below `full` to get a stream of one that is late."""


def place_streams(book: Book, rules: FleetConfig, now_ns: int) -> None:
    """
    Give streams that are nowhere to nodes where they fit.

    Those that lost their node may fill one up to the end: better late than away. None begins while
    another may still publish to its address.
    """
    homeless = [it for it in book.streams.values() if it.home is None and it.next is None]
    if not homeless:
        return
    holders = book.holders()
    groups = [(1.0, [it for it in homeless if it.lost])]
    groups.append((rules.full, [it for it in homeless if not it.lost]))
    for full, streams in groups:
        rooms = book.room(full, now_ns)
        for stream in streams:
            other = _holder(stream, holders)
            if other is not None:
                stream.why = f"waits until {other.name} has let go of the same address"
                continue
            needs = stream.config.needs
            worker = rooms.place(needs, book.cost(stream), _allowed(stream, now_ns))
            if worker is None:
                stream.why = rooms.why_not(needs)
            else:
                book.move_in(stream, worker, _because(stream.config, book), now_ns)
                holders.update(dict.fromkeys(outputs_of(stream.config), stream))


def hand_over(book: Book, rules: FleetConfig, now_ns: int) -> None:
    """
    Have homes let go of streams that are prepared elsewhere; give up where that fails.

    A worker takes over one stream after the other: outputs that begin at once hold each other up.
    """
    beginning = {worker for stream in book.streams.values() if (worker := _begins_at(stream))}
    for stream in book.streams.values():
        home, place = stream.home, stream.next
        if home is None or place is None or home.left is not None:
            continue
        state = place.hold.state if place.hold is not None else "loading"
        if state == "prepared":
            if place.worker not in beginning:
                beginning.add(place.worker)
                book.leave(stream)
        elif state == "down" or now_ns - place.since_ns > PATIENCE_S * NS:
            why = place.hold.why if place.hold is not None else ""
            stream.stuck = f"{book.workers[place.worker].node} cannot have it: {why}"
            stream.avoids[place.worker] = now_ns + int(rules.stay_s * NS)
            book.cancel_next(stream)


def empty_nodes(book: Book, rules: FleetConfig, now_ns: int) -> None:
    """
    Move streams away from nodes that are drained, no longer have what they need, or cannot have
    them.
    """
    rooms: Rooms | None = None
    for worker in list(book.workers.values()):
        if not worker.streams:
            continue
        must = [
            stream
            for stream in book.at_home(worker)
            if worker.draining
            or not fits(stream.config.needs, worker.report.node)
            or _is_down_for_long(stream, rules, now_ns)
        ]
        under_way = sum(stream.next is not None for stream in must)
        still = [stream for stream in must if stream.next is None]
        for stream in still[: max(0, _AT_ONCE - under_way)]:
            rooms = rooms or book.room(1.0, now_ns)
            because = f"{worker.node} could not have it"
            if worker.draining:
                because = f"{worker.node} is emptied"
            _move(book, stream, rooms, book.cost(stream), now_ns, because)


def relieve_nodes(book: Book, rules: FleetConfig, now_ns: int) -> None:
    """Move a stream away from each busy node that has been late for a while."""
    rooms: Rooms | None = None
    for worker in list(book.workers.values()):
        streams = book.at_home(worker)
        if any(stream.next is not None for stream in streams):
            worker.gave_ns = now_ns
        if not _is_late_for_long(worker, rules, now_ns) or len(streams) < 2:
            continue
        rooms = rooms or book.room(rules.full - _MARGIN, now_ns)
        streams.sort(key=lambda it: -book.cost(it))
        for stream in streams:
            if stream.stays_ns > now_ns or not _is_at_work(stream):
                continue
            cost = book.costs.elsewhere(stream.name, stream.config.needs.weight)
            if _move(book, stream, rooms, cost, now_ns, f"{worker.node} was late"):
                stream.stays_ns = now_ns + int(rules.stay_s * NS)
                worker.gave_ns = now_ns
                break


def _is_at_work(stream: Stream) -> bool:
    """Whether its node would be relieved without it."""
    hold = stream.home.hold if stream.home is not None else None
    return hold is None or not hold.away


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
            and any(stream.is_outdated for stream in book.at_home(worker))
        ]
        if not behind:
            self._at = None
            return
        worker = min(behind, key=lambda it: (it.node, it.name))
        holders = book.holders()
        for stream in book.at_home(worker):
            if stream.is_outdated:
                self._tell(book, stream, holders)
        book.touched.add(worker.name)
        self._at = (worker.name, now_ns)

    @staticmethod
    def _tell(book: Book, stream: Stream, holders: Mapping[str, Stream]) -> None:
        """Have the home of *stream* change it, or end it where another has its new address."""
        home = stream.home
        if home is None:
            return
        if _holder(stream, holders) is not None:
            book.leave(stream)  # it is placed anew once that is free
            return
        home.told = stream.version
        home.outputs |= outputs_of(stream.config)
        home.ran = home.hold is not None and home.hold.state == "running"

    def _has_changed(self, book: Book, now_ns: int) -> bool:
        """Whether the present node's streams are what they were told to be."""
        worker = book.workers.get(self._at[0]) if self._at is not None else None
        if worker is None or self._at is None:
            return True
        changing = [stream for stream in book.at_home(worker) if _is_changing(stream)]
        for stream in changing:
            hold = stream.home.hold if stream.home is not None else None
            if hold is not None and hold.refused == stream.version.digest:
                self.halted = f"{stream.name}: {hold.why}"
            elif now_ns - self._at[1] > PATIENCE_S * NS:
                why = hold.why if hold is not None else ""
                self.halted = f"{stream.name}: does not run within {PATIENCE_S:g} s: {why}"
        return not changing


def _is_changing(stream: Stream) -> bool:
    """Whether a stream that ran does not do so yet as it was told."""
    home = stream.home
    if home is None or home.hold is None or home.left is not None or not home.ran:
        return False
    return home.hold.digest != home.told.digest or home.hold.state != "running"


def _begins_at(stream: Stream) -> str | None:
    """The worker that takes *stream* over just now."""
    home, place = stream.home, stream.next
    if home is not None and home.left is not None and place is not None:
        return place.worker
    prepared = home is not None and home.hold is not None and home.hold.state == "prepared"
    return home.worker if home is not None and prepared else None


def _is_down_for_long(stream: Stream, rules: FleetConfig, now_ns: int) -> bool:
    """Whether its home has tried for a while in vain, and another may be tried."""
    since_ns = stream.down_since_ns
    if since_ns is None or stream.stays_ns > now_ns:
        return False
    if now_ns - since_ns < _DOWN_S * NS:
        return False
    stream.stays_ns = now_ns + int(rules.stay_s * NS)
    return True


def _holder(stream: Stream, holders: Mapping[str, Stream]) -> Stream | None:
    """Another stream that may publish to an address of *stream*."""
    found = (holders.get(output) for output in outputs_of(stream.config))
    return next((one for one in found if one is not None and one is not stream), None)


def _allowed(stream: Stream, now_ns: int) -> Callable[[str], bool]:
    """Which workers may have *stream*: not its home, and none that could not lately."""
    stream.avoids = {name: until for name, until in stream.avoids.items() if until > now_ns}
    if stream.home is None and not stream.avoids:
        return lambda _: True
    here = stream.home.worker if stream.home is not None else None
    return lambda worker: worker != here and worker not in stream.avoids


def _is_late_for_long(worker: Worker, rules: FleetConfig, now_ns: int) -> bool:
    """Whether it has been late for `patience_s`, and gave nothing away within that time."""
    late = worker.late
    is_busy = worker.report.busy >= rules.full  # or it is not for want of time
    if late < rules.late / 2 or not is_busy or (worker.late_since_ns is None and late < rules.late):
        worker.late_since_ns = None
        return False
    if worker.late_since_ns is None:
        worker.late_since_ns = now_ns
    since_ns = max(worker.late_since_ns, worker.gave_ns)
    return now_ns - since_ns >= rules.patience_s * NS


def _move(book: Book, stream: Stream, rooms: Rooms, cost: float, now_ns: int, because: str) -> bool:
    """Have *stream* prepared where it fits; false if that is nowhere."""
    needs = stream.config.needs
    worker = rooms.place(needs, cost, _allowed(stream, now_ns))
    if worker is None:
        stream.stuck = f"{because}, but elsewhere: {rooms.why_not(needs)}"
        return False
    stream.stuck = ""
    book.prepare(stream, worker, because, now_ns)
    return True


def _because(config: Config, book: Book) -> str:
    labels = [f"{name}: {value}" for name, value in config.needs.labels.items()]
    wanted = [*labels, *(["a GPU"] if config.needs.gpu else [])]
    having = f" with {', '.join(wanted)}" if wanted else ""
    return f"the least busy of {len(book.workers)} nodes{having}"
