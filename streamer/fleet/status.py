"""How a fleet is: its nodes, and where streams are and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from streamer.fleet.messages import HoldState


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """How one node is."""

    name: str
    worker: str
    busy: float
    """Share of the time that its model or its cores are busy."""
    late: float
    """Share of late frames, on average over its streams."""
    streams: int
    draining: bool
    silent_s: float
    """Seconds since its last report."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Of its `metrics`, as `host:port`, and the URL of its `web`."""
    trouble: str = ""
    """What is wrong with the worker itself."""
    hears: bool = True
    """Whether the controller's answers have reached it."""


@dataclass(frozen=True, slots=True)
class PlaceStatus:
    """Where one stream is."""

    stream: str
    node: str | None
    state: HoldState | Literal["waiting"]
    """`waiting`: no node has it."""
    why: str
    """What is wrong with it, or why it is there, or why it is nowhere."""
    bound_for: str | None = None
    """The node that it is moved to."""
    outdated: bool = False
    """Whether a change has not come to its node yet."""


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """How all nodes and streams are."""

    nodes: tuple[NodeStatus, ...]
    streams: tuple[PlaceStatus, ...]
    halted: str = ""
    """Why a change of the configuration goes no further."""
    settling: bool = False
    """Whether a controller that was started again still waits for workers to report."""
    page: str = ""
    """URL of the fleet's page, if it is served."""
    trouble: str = ""
    """What is wrong with the controller itself."""
