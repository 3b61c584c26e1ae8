"""Models: which there are, how their weights get here, and how one runs."""

from streamer.segmentation.segmenter import OnnxSegmenter, load_segmenter
from streamer.segmentation.session import loadable_providers
from streamer.segmentation.weights import Progress

__all__ = ["OnnxSegmenter", "Progress", "load_segmenter", "loadable_providers"]
