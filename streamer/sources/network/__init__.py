"""Streams from the network: RTSP cameras and servers, and HTTP cameras."""

from streamer.sources.network.rtsp import RtspSource

__all__ = ["RtspSource"]
