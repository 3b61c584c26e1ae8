"""A folder of pictures: which frames are taken, and for how long they stay."""

from streamer.sinks.folder.images import ImagesSink
from streamer.sinks.folder.moments import Appearances, Every, Moments, Spaced, Triggered
from streamer.sinks.folder.retention import Retention

__all__ = [
    "Appearances",
    "Every",
    "ImagesSink",
    "Moments",
    "Retention",
    "Spaced",
    "Triggered",
]
