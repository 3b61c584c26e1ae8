"""Video files: codecs and containers, the open file, and what begins and ends it."""

from streamer.sinks.recording.record import RecordSink
from streamer.sinks.recording.switched import SwitchedRecord

__all__ = ["RecordSink", "SwitchedRecord"]
