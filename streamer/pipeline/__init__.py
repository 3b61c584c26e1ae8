"""Capture, matting and sinks as threads around a ring; knows them only by their protocols."""

from streamer.pipeline.engine import Engine, Options
from streamer.pipeline.presence import SourceStatus
from streamer.pipeline.report import SinkStatus, Statistics, Status
from streamer.pipeline.standby import Standby
from streamer.pipeline.switching import LoadMatting

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
