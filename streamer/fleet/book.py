"""What a controller knows: the streams that are wanted, the workers, and who has which."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from streamer.config import Config
from streamer.config.together import normal_url
from streamer.fleet.messages import Hold, Report
from streamer.fleet.placement import Costs, Room, Rooms


def digest_of(config: Config) -> str:
    """Tells whether two configurations are the same, passwords included."""
    plain = json.dumps(config.model_dump(), default=_exposed, sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def _exposed(value: Any) -> str:
    return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)


def outputs_of(config: Config) -> frozenset[str]:
    """The addresses that a stream publishes to, where two of them would meet."""
    urls = (getattr(sink, "publish", None) for sink in config.sinks)
    return frozenset(normal_url(url.get_secret_value()) for url in urls if url is not None)


@dataclass(frozen=True, slots=True)
class Version:
    """A configuration, and its digest."""

    digest: str
    config: Config | None
    """None where an earlier controller gave it, and the worker alone has it."""

    @classmethod
    def of(cls, config: Config) -> Version:
        """The version that *config* is."""
        return cls(digest_of(config), config)


@dataclass(slots=True, eq=False)
class Place:
    """A worker that has a stream, or is prepared to have it."""

    worker: str
    epoch: int
    told: Version
    """What the worker is told that the stream is."""
    because: str
    """Why it is there."""
    since_ns: int
    hold: Hold | None = None
    """As reported last; None if it was not."""
    left: tuple[int, int] | None = None
    """If it must let go: the latest orders that still had the stream."""
    missing_ns: int | None = None
    """Since when its worker reports without it."""
    adopted: bool = False
    """Whether an earlier controller gave it."""
    outputs: frozenset[str] = frozenset()
    """Addresses that it may publish to: as it is told, and as it ran before that."""
    ran: bool = False
    """Whether it ran when it was told of its present version."""


@dataclass(slots=True, eq=False)
class Stream:
    """A stream that is wanted."""

    name: str
    config: Config
    version: Version
    taken: Version | None = None
    """That it was last seen to run as."""
    home: Place | None = None
    """Who has its outputs, or is to open them."""
    next: Place | None = None
    """Who is to have it after that."""
    unwanted: bool = False
    """Whether it only waits for its home to let go."""
    lost: bool = False
    """Whether its node went away with it."""
    why: str = "is being placed"
    """Why it has no home."""
    stays_ns: int = 0
    """Until when it is not moved for the sake of load."""
    avoids: dict[str, int] = field(default_factory=dict)
    """Workers that could not have it, and until when they are not asked again."""
    down_since_ns: int | None = None
    """Since when its home has it, and it does not run."""
    stuck: str = ""
    """Why it does not leave a home that it should."""

    @property
    def places(self) -> Iterator[Place]:
        """Its home and its next one, as far as there are any."""
        yield from (place for place in (self.home, self.next) if place is not None)

    @property
    def is_outdated(self) -> bool:
        """Whether its home has been told of an earlier version, and it does not move."""
        home = self.home
        return (
            home is not None
            and self.next is None
            and home.left is None
            and home.told.digest != self.version.digest
        )


@dataclass(slots=True, eq=False)
class Worker:
    """A worker that has reported lately."""

    report: Report
    heard_ns: int
    granted_ns: int
    """Until when it may believe that it has its streams, and a little longer."""
    advanced_ns: int
    """When it last showed that an answer had reached it."""
    hears: bool = False
    """Whether any has."""
    streams: set[str] = field(default_factory=set)
    """Those that it has, or is to have."""
    number: int = 0
    """Of the latest orders."""
    late_since_ns: int | None = None
    gave_ns: int = 0
    """When it last gave a stream away for being late."""
    draining: bool = False

    @property
    def name(self) -> str:
        """The worker's name, new for each process."""
        return self.report.worker

    @property
    def node(self) -> str:
        """The name of the node that it runs on."""
        return self.report.node.name

    @property
    def late(self) -> float:
        """The share of late frames, on average over the streams that run there."""
        late = [hold.late for hold in self.report.holds if hold.state == "running"]
        return sum(late) / len(late) if late else 0.0


class Book:
    """
    Streams, workers and places, and the small steps between them.

    Args:
        generation: of the controller; epochs begin there.

    Attributes:
        touched: the workers whose orders are others since somebody looked.
        frozen: whether streams that move stay as they were seen to run: a change was refused.
        again: whether streams that come were there before, under another controller.

    Not thread-safe.
    """

    def __init__(self, generation: int) -> None:
        self.streams: dict[str, Stream] = {}
        self.workers: dict[str, Worker] = {}
        self.costs = Costs()
        self.touched: set[str] = set()
        self.frozen = False
        self.again = False
        self.silent_ns = 3_000_000_000
        """Without a report, after which a worker gets nothing new."""
        self._generation = generation
        self._epoch = generation

    def want(self, name: str, config: Config) -> None:
        """Have the stream *name* be what *config* says."""
        version = Version.of(config)
        stream = self.streams.get(name)
        if stream is None:
            self.streams[name] = Stream(name, config, version, lost=self.again)
            return
        stream.unwanted = False
        if stream.version.digest != version.digest:
            stream.config, stream.version = config, version
            self.costs.forget(name)

    def drop(self, stream: Stream) -> None:
        """Have *stream* nowhere, and forget it once that is so."""
        stream.unwanted = True
        self.cancel_next(stream)
        if stream.home is None:
            self._forget(stream)
        else:
            self.leave(stream)

    def move_in(self, stream: Stream, worker: str, because: str, now_ns: int) -> None:
        """Have *stream*, which is nowhere, at *worker*."""
        stream.lost = False
        stream.home = self._place(stream, worker, because, now_ns)

    def prepare(self, stream: Stream, worker: str, because: str, now_ns: int) -> None:
        """Have *stream* prepared at *worker*, to move there."""
        stream.next = self._place(stream, worker, because, now_ns)

    def take_over(self, stream: Stream, worker: Worker, hold: Hold, now_ns: int) -> None:
        """Have *stream* where an earlier controller has placed it."""
        home = stream.home
        if home is not None:
            self._out(stream, home)
        self._epoch = max(self._epoch, hold.epoch)
        version = stream.version
        if version.digest != hold.digest:
            version = Version(hold.digest, None)
        because = "it was there when the controller was started again"
        outputs = outputs_of(stream.config)
        stream.home = Place(
            worker.name, hold.epoch, version, because, now_ns, hold, adopted=True, outputs=outputs
        )
        self._in(stream, stream.home)

    def leave(self, stream: Stream) -> None:
        """Have the home of *stream* let go of it."""
        home = stream.home
        if home is not None and home.left is None:
            home.left = (self._generation, self.workers[home.worker].number)
            self.touched.add(home.worker)

    def left(self, stream: Stream) -> None:
        """Note that the home of *stream* has let go of it; the next one has it then."""
        if stream.home is not None:
            self._out(stream, stream.home)
        if stream.unwanted:
            self.cancel_next(stream)
        stream.home, stream.next = stream.next, None
        stream.down_since_ns, stream.stuck = None, ""
        if stream.home is not None:
            stream.lost = False
            self.touched.add(stream.home.worker)
        elif stream.unwanted:
            self._forget(stream)

    def cancel_next(self, stream: Stream) -> None:
        """Have *stream* not move."""
        if stream.next is not None:
            self._out(stream, stream.next)
            stream.next = None

    def lose(self, worker: Worker) -> None:
        """Note that *worker* is gone, and its leases with it."""
        del self.workers[worker.name]
        for name in worker.streams:
            stream = self.streams[name]
            if stream.next is not None and stream.next.worker == worker.name:
                stream.next = None
            if stream.home is not None and stream.home.worker == worker.name:
                stream.lost, stream.why = True, f"{worker.node} is gone"
                self.left(stream)

    def room(self, full: float, now_ns: int) -> Rooms:
        """The room that there is at nodes that answer, with each *full* at most."""
        takers = (
            worker
            for worker in self.workers.values()
            if not worker.draining and worker.hears and now_ns - worker.heard_ns < self.silent_ns
        )
        return Rooms((self._room_at(worker) for worker in takers), full)

    def holders(self) -> dict[str, Stream]:
        """The streams that may publish to each address."""
        return {
            output: stream
            for stream in self.streams.values()
            if stream.home is not None
            for output in stream.home.outputs
        }

    def cost(self, stream: Stream) -> float:
        """What *stream* costs, or is expected to."""
        return self.costs.of(stream.name, stream.config.needs.weight)

    def at_home(self, worker: Worker) -> list[Stream]:
        """The streams whose home *worker* is, and that it need not let go of; by name."""
        streams = (self.streams[name] for name in sorted(worker.streams))
        return [
            stream
            for stream in streams
            if stream.home is not None
            and stream.home.worker == worker.name
            and stream.home.left is None
        ]

    def _room_at(self, worker: Worker) -> Room:
        load = worker.report.busy
        for name in worker.streams:
            stream = self.streams[name]
            for place in stream.places:
                here = place.worker == worker.name and place.left is None
                if here and self._is_unmeasured(stream, place.hold):
                    load += self.cost(stream)
        return Room(worker.name, worker.report.node, load, len(worker.streams))

    def _is_unmeasured(self, stream: Stream, hold: Hold | None) -> bool:
        """Whether what *stream* will use is not in its worker's load."""
        if hold is None:
            return True
        if hold.busy is not None:
            return False
        # Of a camera that was never there nobody knows whether it will come.
        return not hold.away or self.costs.knows(stream.name)

    def _place(self, stream: Stream, worker: str, because: str, now_ns: int) -> Place:
        self._epoch += 1
        version = stream.version
        if self.frozen and stream.taken is not None and stream.taken.config is not None:
            version = stream.taken
        place = Place(worker, self._epoch, version, because, now_ns)
        place.outputs = outputs_of(version.config or stream.config)
        self._in(stream, place)
        return place

    def _in(self, stream: Stream, place: Place) -> None:
        self.workers[place.worker].streams.add(stream.name)
        self.touched.add(place.worker)

    def _out(self, stream: Stream, place: Place) -> None:
        if place.worker in self.workers:
            self.workers[place.worker].streams.discard(stream.name)
            self.touched.add(place.worker)

    def _forget(self, stream: Stream) -> None:
        del self.streams[stream.name]
        self.costs.forget(stream.name)
