"""Publishing encoded streams to media servers that are there already, from a child process."""

from streamer.publishing.publisher import Publisher
from streamer.publishing.target import Transport, carries, parse_target

__all__ = ["Publisher", "Transport", "carries", "parse_target"]
