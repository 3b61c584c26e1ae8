"""A real RTSP server as a camera: `gst_camera.py` in a process of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from tests.peers.installed import gstreamer_python

_SCRIPT = Path(__file__).with_name("gst_camera.py")
_ELEMENTS = {
    "h264": ("x264enc", "rtph264pay"),
    "h265": ("x265enc", "rtph265pay"),
    "mjpeg": ("jpegenc", "rtpjpegpay"),
}


class RtspCamera:
    """
    Serves `/live` on loopback until the `with` block ends; skips where GStreamer is missing.

    Args:
        port: 0 for any; a camera that comes back takes its old one.
        options: `gst_camera.py`'s, such as `codec="h265"`, `size="640x360"`, `counter=True`.
    """

    def __init__(self, port: int = 0, **options: str | int | bool) -> None:
        codec = str(options.get("codec", "h264"))
        python = gstreamer_python("videotestsrc", *_ELEMENTS[codec])
        self._user = str(options.get("user", ""))
        self._password = str(options.get("password", ""))
        self._scheme = "rtsps" if "certificate" in options else "rtsp"
        words = [f"--port={port}"]
        for name, value in options.items():
            if value is True:
                words.append(f"--{name}")
            elif value is not False:
                words.append(f"--{name}={value}")
        self._process = subprocess.Popen(
            [python, str(_SCRIPT), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline().split()
        if len(said) != 2:
            self.stop()
            raise AssertionError("the camera does not start")
        self.port = int(said[1])

    @property
    def url(self) -> str:
        """Without credentials."""
        return f"{self._scheme}://127.0.0.1:{self.port}/live"

    @property
    def url_with_credentials(self) -> str:
        user, password = quote(self._user, safe=""), quote(self._password, safe="")
        return f"{self._scheme}://{user}:{password}@127.0.0.1:{self.port}/live"

    def stop(self) -> None:
        """Hang up on everybody and be gone. Twice is once."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
