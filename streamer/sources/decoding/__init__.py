"""
Shared by all sources on PyAV: packets to frames, frames to pictures as they are meant to be
seen, timestamps that grow, and FFmpeg's errors in our words.
"""

from streamer.sources.decoding.reader import VideoReader
from streamer.sources.decoding.timestamps import Timeline, exact, now_s
from streamer.sources.decoding.upright import Upright, wants

__all__ = ["Timeline", "Upright", "VideoReader", "exact", "now_s", "wants"]
