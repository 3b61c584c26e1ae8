"""The registered models, fetching their weights, and running one."""

import os

# onnxruntime would otherwise keep a device id and a database of events in the user's cache, and
# send them to its makers. It reads the variable once, when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from streamer.models.runtime.segmenter import OnnxSegmenter, is_recurrent, load_segmenter
from streamer.models.runtime.session import loadable_providers
from streamer.models.runtime.turns import User
from streamer.models.store.weights import Progress, models_on_disk

__all__ = [
    "OnnxSegmenter",
    "Progress",
    "User",
    "is_recurrent",
    "load_segmenter",
    "loadable_providers",
    "models_on_disk",
]
