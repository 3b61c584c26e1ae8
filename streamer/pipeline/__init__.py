"""Capture, matting and sinks as threads around a ring; knows them only by their protocols."""

from streamer.pipeline.pipeline import Pipeline
from streamer.pipeline.presence import SourceStatus
from streamer.pipeline.report import Statistics
from streamer.pipeline.standby import Standby

__all__ = ["Pipeline", "SourceStatus", "Standby", "Statistics"]
