"""How frames get their mattes."""

from streamer.matting.every_frame import EveryFrame

__all__ = ["EveryFrame"]
