"""An RTSP server for viewers, on asyncio. Nothing here imports a codec library."""

from streamer.rtsp.audio import audio_format
from streamer.rtsp.auth import Credentials
from streamer.rtsp.limits import Limits
from streamer.rtsp.listening import TlsFiles
from streamer.rtsp.mount import Mount
from streamer.rtsp.server import RtspServer
from streamer.rtsp.servers import PROCESS_SERVERS, RtspServers

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
