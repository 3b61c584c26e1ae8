"""A host of streams that it has only as long as its controller says so."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol

from streamer.config import Config
from streamer.config.box import with_page
from streamer.core.clock import Clock, SystemClock
from streamer.errors import redact
from streamer.fleet.lease import Lease
from streamer.fleet.load import Load
from streamer.fleet.messages import Hold, HoldState, NodeFacts, Order, Orders, Report
from streamer.host import KeptState

logger = logging.getLogger("streamer.fleet")

_STATES: Mapping[KeptState, HoldState] = {
    "starting": "loading",
    "running": "running",
    "stopped": "stopped",
    "ended": "stopped",
}
"""By a host's word; all others are `down`."""


class HostedStreams(Protocol):
    """What a worker needs of a host; see `streamer.Host` for what each of these does."""

    @property
    def names(self) -> Collection[str]: ...  # noqa: D102
    @property
    def leaving(self) -> Collection[str]: ...  # noqa: D102
    @property
    def abandoned(self) -> Collection[str]: ...  # noqa: D102
    @property
    def failures(self) -> Mapping[str, BaseException]: ...  # noqa: D102
    def state(self, name: str) -> KeptState: ...  # noqa: D102
    def is_prepared(self, name: str) -> bool: ...  # noqa: D102
    def taken(self, name: str) -> Config | None: ...  # noqa: D102
    def refusal(self, name: str) -> str: ...  # noqa: D102
    def begin(self, name: str) -> None: ...  # noqa: D102
    def have(
        self, streams: Mapping[str, Config], prepared: Collection[str], *, at_once: bool
    ) -> None:
        """Have these streams and no others, soon, as `Host.reload` does."""


def leave_at_once() -> NoReturn:
    """End the process, and with it every output that it holds."""
    os._exit(1)


@dataclass(slots=True)
class _Held:
    """A stream that the host was asked to have, and has not let go of."""

    epoch: int
    config: Config
    digest: str
    """Of *config*, which the host was asked for last."""
    taken: str
    """Digest of the configuration that it was seen to have taken."""
    taken_config: Config
    begins: bool
    """Whether it may open its outputs."""
    told: bool = True
    """Whether the host knows that."""
    ending: bool = False


class Worker:
    """
    Runs the streams that it is ordered to, and lets go of them when its lease ends.

    For one thread, which sends the reports, hands the answers to `obey`, and calls `tend` about ten
    times a second. The host runs in another.

    Args:
        name: its own; new for each process.
        node: where it is.
        host: the streams; none yet.
        load: measures them.
        clock: monotonic time.
        leave: ends the process, where outputs cannot be closed in time.

    Attributes:
        addresses: where metrics and page are, to be reported.
        trouble: what is wrong with the worker itself, likewise.
    """

    def __init__(
        self,
        name: str,
        node: NodeFacts,
        host: HostedStreams,
        load: Callable[[], Load],
        *,
        clock: Clock | None = None,
        leave: Callable[[], object] = leave_at_once,
    ) -> None:
        self.name = name
        self.addresses: dict[str, str] = {}
        self.trouble = ""
        self._conflict = ""
        """Why streams that were ordered cannot be had together."""
        self._node = node
        self._host = host
        self._load = load
        self._clock = clock or SystemClock()
        self._leave = leave
        self._lease = Lease(self._clock)
        self._orders: Orders | None = None
        self._configs: dict[str, Config] = {}
        """By digest: those of the latest orders, as far as they came."""
        self._held: dict[str, _Held] = {}
        self._asked: dict[str, Config] = {}
        """What the host was asked to have."""
        self._asked_at_once = False
        self._let_go: dict[str, int] = {}
        """The latest epoch of each stream that was let go of by order."""
        self._reported: frozenset[object] = frozenset()
        self._number = 0

    @property
    def renew_s(self) -> float:
        """Seconds between reports."""
        return self._orders.renew_s if self._orders is not None else 1.0

    @property
    def left_s(self) -> float | None:
        """Seconds that it may have its streams without another answer; None if it has none."""
        return self._lease.left_s if self._held else None

    def report(self) -> Report:
        """What the controller is to be told now."""
        self._number += 1
        load, failures = self._load(), self._host.failures
        holds = []
        for name, held in self._held.items():
            used, failure = load.streams.get(name), failures.get(name)
            refused = self._refusal_of(name, held)
            holds.append(
                Hold(
                    stream=name,
                    epoch=held.epoch,
                    digest=held.taken,
                    state=self._state_of(name),
                    begun=held.begins,
                    refused=held.digest if refused else "",
                    busy=used.busy if used is not None else None,
                    away=name in load.away,
                    late=used.late if used is not None else 0.0,
                    why=redact(refused or (str(failure) if failure is not None else "")),
                )
            )
        before, self._reported = self._reported, self._news()
        orders = self._orders
        return Report(
            worker=self.name,
            node=self._node,
            number=self._number,
            seen=(orders.controller, orders.number) if orders is not None else (0, 0),
            holds=tuple(holds),
            busy=load.busy,
            draining=orders is not None and orders.draining,
            addresses=dict(self.addresses),
            trouble=redact(self.trouble or self._conflict),
            news=self._reported != before,
        )

    def obey(self, orders: Orders, sent_ns: int | None = None) -> None:
        """
        Do what *orders* say, unless later ones have come.

        Args:
            orders: the controller's.
            sent_ns: when the report was sent that they answer; None if they came unasked: those do
                not renew the lease.
        """
        before = self._orders
        if before is not None and orders.controller < before.controller:
            return  # of one that was replaced
        if sent_ns is not None:
            self._lease.renew(sent_ns, orders.lease_s)
        if before is not None and (orders.controller, orders.number) <= (
            before.controller,
            before.number,
        ):
            return
        wanted = {order.digest for order in orders.orders}
        known = {held.digest: held.config for held in self._held.values()}
        known |= {held.taken: held.taken_config for held in self._held.values()}
        known |= {**self._configs, **orders.configs}
        self._configs = {digest: it for digest, it in known.items() if digest in wanted}
        self._orders = orders
        self._follow()

    def tend(self) -> bool:
        """See to the lease and the streams. Returns whether there is news for the controller."""
        if self._held and self._lease.must_let_go:
            if self._lease.is_over:
                logger.error("outputs could not be closed in time: leaving")
                self._leave()
            if self._asked:
                logger.error("no word from the controller: lets go of all streams")
        self._note()
        self._follow()
        return self._news() != self._reported

    def _note(self) -> None:
        """Note what the host has let go of, and what streams have become."""
        present = {*self._host.names, *self._host.leaving}
        stuck = {text.split(" ", 1)[0] for text in self._host.abandoned if " sinks[" in text}
        for name, held in list(self._held.items()):
            if held.ending and name not in present and name not in stuck:
                del self._held[name]
            elif held.taken != held.digest and name in self._host.names:
                taken = self._host.taken(name)
                if taken is None or _are_same(taken, held.config):
                    held.taken, held.taken_config = held.digest, held.config

    def _follow(self) -> None:
        """Ask the host for what the latest orders say, as far as its lease and streams allow."""
        at_once = self._lease.must_let_go
        orders = () if at_once or self._orders is None else self._orders.orders
        streams: dict[str, Config] = {}
        for order in orders:
            held = self._ready_for(order)
            if held is not None:
                streams[order.stream] = held.config
        if not at_once and self._orders is not None:
            ordered = {order.stream for order in orders}
            gone = self._held.keys() - ordered
            self._let_go.update({name: self._held[name].epoch for name in gone})
        self._ask(streams, at_once=at_once)
        for name, held in self._held.items():
            held.ending = name not in self._asked
        for name in self._asked:
            held = self._held[name]
            if not held.told and name in self._host.names:
                self._host.begin(name)
                held.told = True

    def _ask(self, streams: dict[str, Config], *, at_once: bool) -> None:
        """Ask the host for *streams*, or for those of them that it was asked for before."""
        if streams == self._asked and not (at_once and self._held and not self._asked_at_once):
            return
        prepared = frozenset(name for name in streams if not self._held[name].begins)
        try:
            self._host.have(streams, prepared, at_once=at_once)
            self._conflict = ""
        except ValueError as error:  # they do not go together, though each is valid
            if not self._conflict:
                logger.error("%s", error)
            self._conflict = str(error)
            streams = {name: it for name, it in streams.items() if self._asked.get(name) == it}
            for name in self._held.keys() - streams.keys() - {*self._host.names}:
                del self._held[name]
            self._host.have(streams, frozenset(), at_once=at_once)
        self._asked, self._asked_at_once = streams, at_once

    def _ready_for(self, order: Order) -> _Held | None:
        """The stream that *order* is about, changed to that; None if it cannot be had yet."""
        name, config = order.stream, self._configs.get(order.digest)
        held = self._held.get(name)
        if config is None:  # it comes with the next orders
            return held if held is not None and held.epoch == order.epoch else None
        if held is None:
            if order.epoch <= self._let_go.get(name, 0):
                return None  # of a controller that did not know that it was let go since
            held = _Held(order.epoch, config, order.digest, order.digest, config, order.begins)
            self._held[name] = held
            return held
        if held.ending or (held.begins and not order.begins):
            return None  # it must be let go first
        if order.begins and not held.begins:
            held.begins, held.told = True, False
        held.epoch, held.config, held.digest = order.epoch, config, order.digest
        return held

    def _refusal_of(self, name: str, held: _Held) -> str:
        """Why the host cannot have it as it was asked to; empty if it can, or tries."""
        if held.taken == held.digest or name not in self._host.names:
            return ""
        return self._host.refusal(name)

    def _state_of(self, name: str) -> HoldState:
        if name not in self._host.names:  # the host has not begun with it, or has ended it
            return "down" if self._held[name].ending else "loading"
        if self._host.is_prepared(name):
            return "prepared"
        return _STATES.get(self._host.state(name), "down")

    def _news(self) -> frozenset[object]:
        """Tells reports apart that the controller should have at once."""
        return frozenset(
            (name, held.epoch, held.taken, held.begins, self._state_of(name))
            for name, held in self._held.items()
        )


def _are_same(taken: Config, asked: Config) -> bool:
    """Whether a stream was made as it was *asked* for, but for the page that its box adds."""
    return taken in (asked, with_page(asked))
