"""A camera that serves frames whose brightness says their number, at their time."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from fractions import Fraction
from typing import Self

import av

from streamer.packets import AudioPacket, AudioTrack, VideoPacket, VideoTrack, split_annex_b
from streamer.serving.rtsp import RtspServer


def encoded(frames: int, size: tuple[int, int] = (64, 48)) -> tuple[VideoTrack, list[VideoPacket]]:
    """H.264 at 25/s with a key frame every ten; frame n has the grey 2 * n, up to 250."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height = size
    context.pix_fmt, context.framerate, context.time_base = "yuvj420p", 25, Fraction(1, 25)
    context.options = {"tune": "zerolatency", "crf": "10", "g": "10", "preset": "ultrafast"}
    packets = []
    for number in range(frames):
        frame = av.VideoFrame(*size, "yuvj420p")
        for plane, value in zip(frame.planes, (min(2 * number, 250), 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = number, Fraction(1, 25)
        packets += [
            VideoPacket(bytes(p), p.pts or 0, p.is_keyframe, 0) for p in context.encode(frame)
        ]
    sets = tuple(bytes(unit) for unit in split_annex_b(packets[0].data) if unit[0] & 0x1F in (7, 8))
    return VideoTrack("h264", *size, Fraction(25), Fraction(1, 25), sets), packets


class Camera:
    """Serves ten seconds of `encoded` frames at `url`, each at its own time."""

    def __init__(self, audio: tuple[AudioTrack, list[AudioPacket]] | None = None) -> None:
        self._server = RtspServer("127.0.0.1", 0)
        self._video, self._pictures = encoded(frames=250)
        self._track, self._sounds = audio or (None, [])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed)
        self.begun_s = 0.0
        """`time.monotonic()` of frame 0; frame n is sent n / 25 s later."""

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._server.address[1]}/live"

    def __enter__(self) -> Self:
        self._server.start()
        self._mount = self._server.mount("/live", self._video, self._track)
        self.begun_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        self._thread.join()
        self._server.stop()

    def _feed(self) -> None:
        sounds = list(self._sounds)
        for number, picture in enumerate(self._pictures):
            if self._stop.wait(max(0.0, self.begun_s + number / 25 - time.monotonic())):
                return
            self._mount.send_video(replace(picture, captured_ns=time.monotonic_ns()))
            while sounds and self._track and sounds[0].pts * self._track.time_base <= number / 25:
                self._mount.send_audio(sounds.pop(0))
