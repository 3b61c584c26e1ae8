"""A stream: a configuration, the engine that runs it, and what may be changed meanwhile."""

from streamer.stream.stream import Stream

__all__ = ["Stream"]
