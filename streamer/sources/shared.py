"""
Cameras and network streams that several streams of one process read: each is opened once.

A USB camera can be opened only once. A camera on the network is connected to, and decoded, once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from streamer.config import ReconnectConfig, Region, SourceConfig
from streamer.core.clock import Clock, SystemClock
from streamer.core.copying import Uncopyable
from streamer.errors import SourceLost, SourceTimeout
from streamer.frame import Grab, Image, StreamInfo
from streamer.protocols import Source
from streamer.sources import make_source
from streamer.sources.broadcast import Broadcast
from streamer.sources.cropped import CroppedSource
from streamer.sources.seats import Seat

_MOST_STUCK = 4
"""With so many threads stuck in a driver, no further one is started."""

_Key = tuple[type, dict[str, object]]


class SharedSources(Uncopyable):
    """
    Lends live sources: readers whose configurations are alike, but for `reconnect`, share one.

    The first reader that opens has the source opened; those that open later join it. When it
    fails it has failed for all, and the next one that opens has another made. It is closed with
    its last reader. Thread-safe.

    Args:
        make: makes a source, without opening it.
        clock: tells how long a source is silent.
    """

    def __init__(
        self, make: Callable[[SourceConfig], Source] = make_source, clock: Clock | None = None
    ) -> None:
        self._make = make
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._broadcasts: list[tuple[_Key, Broadcast]] = []
        self._started = 0

    def make(self, config: SourceConfig, crop: Sequence[Region] = ()) -> Source:
        """
        Make a reader of the source that *config* describes, or that source if it is not live.

        Args:
            config: the options of one kind of source. `reconnect.stall_s` is the silence after
                which this reader gives the source up, for all.
            crop: as `make_source` has it; other readers may have another.

        Raises as `make_source`. Touches no file, device or network.
        """
        source = self._make(config)
        if config.RECONNECTS:
            source = SharedReader(source, config, self)
        return CroppedSource(source, crop) if crop else source

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Threads stuck in a driver, such as `shared-3`; they keep the process alive."""
        with self._lock:
            broadcasts = [broadcast for _, broadcast in self._broadcasts]
        return tuple(each.label for each in broadcasts if each.given_up and each.alive)

    def join(self, config: SourceConfig, source: Source, seat: Seat) -> Broadcast:
        """
        Give a reader its seat: where the source is open or being opened, else at a new broadcast.

        Args:
            config: which source.
            source: read if there is no other yet; owned then.
            seat: the reader's.

        Raises:
            SourceTimeout: too many earlier connections are stuck in the driver.
        """
        key = _key(config)
        with self._lock:
            self._broadcasts = [(of, each) for of, each in self._broadcasts if each.alive]
            alike = [each for of, each in self._broadcasts if of == key]
            for broadcast in alike:
                if broadcast.join(seat):
                    return broadcast
            if sum(broadcast.given_up for broadcast in alike) >= _MOST_STUCK:
                raise SourceTimeout(
                    f"{source.name}: {_MOST_STUCK} earlier connections have not returned from its "
                    "driver: unplug and replug the device, or restart its server"
                )
            closing = next((each for each in alike if not each.given_up), None)
            self._started += 1
            fresh = Broadcast(source, f"shared-{self._started}", self._clock, closing)
            fresh.join(seat)
            fresh.start()
            self._broadcasts.append((key, fresh))
            return fresh


class SharedReader:
    """
    One stream's view of a source that others may read too. Made by `SharedSources.make`.

    Live: each `read` gives the newest frame, so a slow reader misses frames; it gets the sound of
    those it missed, up to some 20 s. After a silence of its `reconnect.stall_s` it raises
    SourceTimeout for all readers, whatever the driver does; a reader that is alone waits for the
    driver.
    """

    def __init__(self, source: Source, config: SourceConfig, shared: SharedSources) -> None:
        self._source = source
        self._config = config
        self._shared = shared
        self._name = source.name
        reconnect = getattr(config, "reconnect", None) or ReconnectConfig()
        self._seat = Seat(reconnect.stall_s)
        self._broadcast: Broadcast | None = None

    def __repr__(self) -> str:
        return f"SharedReader({self._source!r})"

    @property
    def name(self) -> str:
        """The name of the source."""
        return self._name

    def open(self) -> StreamInfo:
        """Have the source opened, or join those who read it; see `Source.open`."""
        if self._broadcast is None:
            self._broadcast = self._shared.join(self._config, self._source, self._seat)
        return self._broadcast.opened(self._seat)

    def read(self, out: Image) -> Grab:
        """Write the newest frame that was not read yet into *out*; see `Source.read`."""
        if self._broadcast is None:
            raise SourceLost(f"{self._name}: is not open")
        return self._broadcast.read(self._seat, out)

    def close(self) -> None:
        """Leave; the last reader waits until the source is closed. Never raises."""
        broadcast, self._broadcast = self._broadcast, None
        if broadcast is not None:
            broadcast.leave(self._seat)


def _key(config: SourceConfig) -> _Key:
    """What configurations of one source have in common; compared, never printed."""
    fields = type(config).model_fields
    return type(config), {name: getattr(config, name) for name in fields if name != "reconnect"}
