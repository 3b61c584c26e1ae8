"""Prepare what the model sees: regions, size, filters. The output keeps the frame's own pixels."""

from streamer.preprocessing.prepared import PreparedSegmenter, prepared
from streamer.preprocessing.refinement import Refinement
from streamer.preprocessing.regional import Regional
from streamer.preprocessing.regions import box_around, places_in, within_crop

__all__ = [
    "PreparedSegmenter",
    "Refinement",
    "Regional",
    "box_around",
    "places_in",
    "prepared",
    "within_crop",
]
