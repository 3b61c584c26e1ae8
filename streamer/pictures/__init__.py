"""Picture files: find them, read them with their colours kept, cut them out, write results."""

from streamer.pictures.ahead import ahead
from streamer.pictures.look import Look
from streamer.pictures.photo import ANIMATION, Photo
from streamer.pictures.planning import STDIN, Found, Job, expanded, find, natural, plan
from streamer.pictures.reading import (
    MAX_PIXELS,
    OpenPicture,
    is_animation,
    lacks_memory,
    largest_file,
    open_picture,
    shown,
)
from streamer.pictures.unread import left_out, photographs
from streamer.pictures.writing import Format

__all__ = [
    "ANIMATION",
    "MAX_PIXELS",
    "STDIN",
    "Format",
    "Found",
    "Job",
    "Look",
    "OpenPicture",
    "Photo",
    "ahead",
    "expanded",
    "find",
    "is_animation",
    "lacks_memory",
    "largest_file",
    "left_out",
    "natural",
    "open_picture",
    "photographs",
    "plan",
    "shown",
]
