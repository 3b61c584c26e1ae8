"""
What workers and the controller tell each other.

A worker reports all that it has, and is told all that it is to have: whatever was lost or came
twice is put right by the next message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from streamer.config import Config

HoldState = Literal["loading", "prepared", "running", "stopped", "down"]
"""
`loading`: its model is being loaded; `prepared`: it is loaded, and has opened no output;
`running`: its outputs are its own; `stopped`: by a user of its worker's page, or at its source's
end; `down`: it failed, and may be tried again, or has ended.
"""


@dataclass(frozen=True, slots=True)
class Hold:
    """A stream that a worker has."""

    stream: str
    epoch: int
    """Of the order that gave it."""
    digest: str
    """Of the configuration that it runs with; see `Order`."""
    state: HoldState
    begun: bool
    """Whether its outputs are this worker's to open; otherwise it is prepared for that."""
    refused: str = ""
    """Digest of a configuration that the worker cannot run; `why` has the reason."""
    busy: float | None = None
    """Share of the node that it uses; None where that was not measured of late."""
    away: bool = False
    """Whether it is paused or without its camera: it uses little, and may need its room again."""
    late: float = 0.0
    """Share of its frames that were lost for want of time, in the latest seconds."""
    why: str = ""
    """What is wrong with it, in a line without credentials."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A machine of the fleet."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    gpu: bool = False
    """Whether it has one."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker says of itself and of all streams that it has, or is still ending."""

    worker: str
    """New for each process."""
    node: NodeFacts
    number: int
    """Of the report: 1, 2, …"""
    seen: tuple[int, int] = (0, 0)
    """`controller` and `number` of the latest orders that it has begun to follow."""
    holds: tuple[Hold, ...] = ()
    busy: float = 0.0
    """Share of the time that its model or its cores are busy, whichever is more."""
    draining: bool = False
    """Whether it was told that its node is being emptied."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Of its `metrics`, as `host:port`, and the URL of its `web`, where it serves them."""
    trouble: str = ""
    """What is wrong with the worker itself, in a line."""
    news: bool = True
    """Whether any stream has come further since the report before."""


@dataclass(frozen=True, slots=True)
class Order:
    """A stream that a worker is to have."""

    stream: str
    epoch: int
    """Grows with each worker that gets the stream, over restarts of the controller too."""
    digest: str
    """Of its configuration, which `Orders.configs` has unless the worker has reported it."""
    begins: bool
    """Whether it may open its outputs; otherwise it is prepared, and another worker has them."""


@dataclass(frozen=True, slots=True)
class Orders:
    """All streams that a worker is to have; it ends all others."""

    controller: int
    """When the controller began, in microseconds of wall-clock time: the later of two counts."""
    number: int
    """Grows with each message; a worker ignores one that is not above the latest."""
    orders: tuple[Order, ...]
    configs: Mapping[str, Config] = field(default_factory=dict)
    """By digest."""
    lease_s: float = 5.0
    """Seconds that streams may be kept from when the report was sent that was answered last."""
    renew_s: float = 1.0
    """Seconds until the next report."""
    draining: bool = False
    """Whether its node is being emptied."""
