"""Makes pictures of frames and their alphas: functions on arrays, and the `Composer`."""

from streamer.compositing.backdrops import OpenVideo, VideoAt, make_backdrop
from streamer.compositing.colours import Colour, colour
from streamer.compositing.composer import Composer, Pixels, pixels_of
from streamer.compositing.keyed import FillAndKey
from streamer.compositing.layers import Picture, alpha_level, composite, cutout_rgba, mask
from streamer.compositing.lettering import draw_card
from streamer.compositing.shared import SharedPictures, SinkComposer

__all__ = [
    "Colour",
    "Composer",
    "FillAndKey",
    "OpenVideo",
    "Picture",
    "Pixels",
    "SharedPictures",
    "SinkComposer",
    "VideoAt",
    "alpha_level",
    "colour",
    "composite",
    "cutout_rgba",
    "draw_card",
    "make_backdrop",
    "mask",
    "pixels_of",
]
