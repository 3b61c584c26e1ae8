"""Live video for others: encoded as it comes, served or published."""

from streamer.sinks.relaying.outlets import (
    Outlet,
    PublishedOutlet,
    ServedOutlet,
    SeveralOutlets,
)
from streamer.sinks.relaying.relay import RelaySink
from streamer.sinks.shared.encoder import EncoderSettings

__all__ = [
    "EncoderSettings",
    "Outlet",
    "PublishedOutlet",
    "RelaySink",
    "ServedOutlet",
    "SeveralOutlets",
]
