"""What is done to the soft alpha before a frame is delivered: see `RefineConfig`."""

from streamer.refining.refiner import Refiner

__all__ = ["Refiner"]
