"""Live video for others: encoded as it comes, served or published."""

from streamer.sinks.relaying.encoder import EncoderSettings
from streamer.sinks.relaying.outlets import (
    Outlet,
    PublishedOutlet,
    ServedOutlet,
    SeveralOutlets,
)
from streamer.sinks.relaying.relay import RelaySink

__all__ = [
    "EncoderSettings",
    "Outlet",
    "PublishedOutlet",
    "RelaySink",
    "ServedOutlet",
    "SeveralOutlets",
]
