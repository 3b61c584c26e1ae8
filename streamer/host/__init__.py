"""Several streams in one process: started together, watched, and each started again if it fails."""

from streamer.host.host import Host
from streamer.host.kept import KeptState
from streamer.host.status import HostStatus, StreamStatus

__all__ = ["Host", "HostStatus", "KeptState", "StreamStatus"]
