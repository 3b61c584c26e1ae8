"""Where mattes go. `make_sink` builds the sink that a configuration asks for."""

from __future__ import annotations

from streamer.config import SinkConfig, made_by
from streamer.protocols import Sink
from streamer.sinks.discard import DiscardSink
from streamer.sinks.folder import ImagesSink
from streamer.sinks.making import Making
from streamer.sinks.pipe import PipeSink
from streamer.sinks.recording import RecordSink, SwitchedRecord
from streamer.sinks.relaying import RelaySink
from streamer.sinks.shared.picture import write_picture
from streamer.sinks.virtual_camera import VirtualCameraSink

__all__ = [
    "DiscardSink",
    "ImagesSink",
    "Making",
    "PipeSink",
    "RecordSink",
    "RelaySink",
    "SwitchedRecord",
    "VirtualCameraSink",
    "make_sink",
    "write_picture",
]


def make_sink(config: SinkConfig, making: Making) -> Sink:
    """
    The sink of *config*, not yet open.

    Args:
        config: one entry of `sinks`.
        making: what else it is made with.

    Raises:
        ConfigError: a URL cannot be used, or the background of composites cannot be loaded.
    """
    sink: Sink = made_by(config)(config, making)
    return sink
