"""How good mattes are: clips with known alpha, figures, and the code that runs a matting."""

from streamer.evaluation.clips import check_size, clip_catalogue, clip_names, make_clip
from streamer.evaluation.driving import Answer, run_matting
from streamer.evaluation.measuring import (
    COLUMNS,
    Measured,
    Sample,
    average,
    evaluate,
    measure,
    rounded,
)
from streamer.evaluation.pictures import has_photographs
from streamer.evaluation.predictions import pair
from streamer.evaluation.staging import FRAMES
from streamer.evaluation.truth import Clip, Motion

__all__ = [
    "COLUMNS",
    "FRAMES",
    "Answer",
    "Clip",
    "Measured",
    "Motion",
    "Sample",
    "average",
    "check_size",
    "clip_catalogue",
    "clip_names",
    "evaluate",
    "has_photographs",
    "make_clip",
    "measure",
    "pair",
    "rounded",
    "run_matting",
]
