"""Publishing encoded streams to media servers that are there already, from a child process."""

from streamer.serving.publishing.publisher import Publisher
from streamer.serving.publishing.target import Transport, carries, parse_target

__all__ = ["Publisher", "Transport", "carries", "parse_target"]
