from __future__ import annotations

import errno

from streamer.serving.rtsp import Limits
from streamer.serving.rtsp.connection import Connection
from streamer.serving.rtsp.directory import Directory


class Gone:
    """A transport whose socket takes no options any more, as macOS has it."""

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high

    def get_extra_info(self, name: str) -> Gone:
        assert name == "socket"
        return self

    def setsockopt(self, *option: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")


def test_a_viewer_that_hangs_up_at_once_is_no_error():
    directory = Directory(Limits(), None)
    connection = Connection("10.0.0.1", directory, encrypted=False)
    connection.connection_made(Gone())
    connection.connection_lost(None)
    assert not directory.connections
