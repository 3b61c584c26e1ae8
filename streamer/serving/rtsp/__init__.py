"""An RTSP server for viewers, on asyncio. Nothing here imports a codec library."""

from streamer.serving.rtsp.audio import audio_format
from streamer.serving.rtsp.auth import Credentials
from streamer.serving.rtsp.limits import Limits
from streamer.serving.rtsp.listening import TlsFiles
from streamer.serving.rtsp.mount import Mount
from streamer.serving.rtsp.server import RtspServer
from streamer.serving.rtsp.servers import PROCESS_SERVERS, RtspServers

__all__ = [
    "PROCESS_SERVERS",
    "Credentials",
    "Limits",
    "Mount",
    "RtspServer",
    "RtspServers",
    "TlsFiles",
    "audio_format",
]
