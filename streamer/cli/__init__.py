"""The command `streamer`: the only place of this package that prints."""

from streamer.cli.application import app, main

__all__ = ["app", "main"]
