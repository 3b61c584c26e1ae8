"""Capture, matting and sinks as threads around a ring; knows them only by their protocols."""

from streamer.pipeline.pipeline import Pipeline, Statistics

__all__ = ["Pipeline", "Statistics"]
