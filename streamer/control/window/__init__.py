"""The preview: a window, its keys, and what they ask of the stream."""

from streamer.control.window.display import DisplaySink, window_problem

__all__ = ["DisplaySink", "window_problem"]
