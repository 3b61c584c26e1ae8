"""Capture, matting and sinks as threads around a ring; knows them only by their protocols."""

from streamer.engine.engine import Engine, Options
from streamer.engine.presence import SourceStatus
from streamer.engine.report import SinkStatus, Statistics, Status
from streamer.engine.standby import Standby
from streamer.engine.switching import LoadMatting

__all__ = [
    "Engine",
    "LoadMatting",
    "Options",
    "SinkStatus",
    "SourceStatus",
    "Standby",
    "Statistics",
    "Status",
]
