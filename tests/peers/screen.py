"""A player that is watched while it plays: one session of ffmpeg, whose pictures come here."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import av
import numpy as np

from tests.peers.installed import require

PATIENCE_S = 20
_AT_ONCE = {"probesize": "32"}
"""What comes from the player says all about itself."""

Picture = np.ndarray
"""(H, W, 3) uint8 BGR."""


class Screen:
    """
    Plays *url* from now on, in one session, until the stream or the `with` block ends.

    Nothing reconnects: what is seen after a pause was seen by whoever waited.
    """

    def __init__(self, url: str, transport: str = "tcp") -> None:
        require("ffmpeg", "ffmpeg")
        command = ["ffmpeg", "-nostdin", "-v", "error"]
        # Without the second it looks at the stream for seconds before it shows anything.
        command += ["-fflags", "nobuffer", "-probesize", "32"]
        command += ["-rtsp_transport", transport, "-i", url, "-map", "0:v"]
        command += ["-fps_mode", "passthrough", "-c:v", "rawvideo", "-pix_fmt", "bgr24"]
        self._process = subprocess.Popen(
            [*command, "-flush_packets", "1", "-f", "nut", "-"], stdout=subprocess.PIPE
        )
        self._changed = threading.Condition()
        self._shown: list[tuple[float, Picture]] = []
        self._ended = False
        self._thread = threading.Thread(target=self._play)
        self._thread.start()

    @property
    def pictures(self) -> list[Picture]:
        """All that was shown so far."""
        return [picture for _, picture in list(self._shown)]

    @property
    def times_s(self) -> list[float]:
        """When; without the first, whose time is ffmpeg's guess."""
        return [time_s for time_s, _ in list(self._shown)][1:]

    def wait_for(self, what: Callable[[Picture], bool], count: int = 1) -> None:
        """Wait until *count* more pictures were shown of which *what* is true."""
        begin = len(self._shown)

        def enough() -> bool:
            return sum(what(picture) for _, picture in self._shown[begin:]) >= count

        with self._changed:
            assert self._changed.wait_for(lambda: enough() or self._ended, PATIENCE_S), self._said()
            assert enough(), f"the stream ended: {self._said()}"

    def wait_end(self) -> int:
        """Wait until the player ends by itself, as it does when the stream has ended; its code."""
        self._thread.join(PATIENCE_S)
        assert self._ended, self._said()
        return self._process.wait(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout
        self._process.stdout.close()

    def _said(self) -> str:
        return f"{len(self._shown)} pictures were shown"

    def _play(self) -> None:
        try:
            with av.open(self._process.stdout, format="nut", options=_AT_ONCE) as film:
                for frame in film.decode(video=0):
                    picture = frame.to_ndarray(format="bgr24")
                    with self._changed:
                        self._shown.append((frame.time, picture))
                        self._changed.notify_all()
        except (av.FFmpegError, IndexError):
            pass  # it was cut off, or there never was anything
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
