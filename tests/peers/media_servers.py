"""
Media servers that a stream is published to: ffmpeg listening, and GStreamer's RTSP server.

Each listens on loopback until its `with` block ends, and skips the test where it is missing.
"""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.packets import AudioPacket, AudioTrack, VideoCodec, VideoPacket, VideoTrack
from streamer.serving.rtsp import TlsFiles
from tests.peers.installed import gstreamer_python, require

PATIENCE_S = 10
_SOUND = {
    "aac": ("aac", "fltp", 48_000, 2),
    "opus": ("libopus", "flt", 48_000, 2),
    "pcm_mulaw": ("pcm_mulaw", "s16", 8_000, 1),
}
"""Encoder, sample format, rate in Hz, channels."""
_ENCODERS = {"h264": ("libx264", {7, 8}), "hevc": ("libx265", {32, 33, 34})}


def encode(codec: VideoCodec = "h264", frames: int = 60) -> tuple[VideoTrack, list[VideoPacket]]:
    """Grey pictures as an encoder of ours would give them; timestamps begin at 100 s."""
    width, height = 160, 96
    name, kinds = _ENCODERS[codec]
    encoder = av.CodecContext.create(name, "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 90_000), Fraction(25)
    encoder.gop_size = 20
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency"}
    if codec == "hevc":
        encoder.options["x265-params"] = "log-level=none:repeat-headers=1:bframes=0:pools=1"
    packets = []
    for number in range(frames):
        picture = np.full((height * 3 // 2, width), 16 + number % 200, np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = 9_000_000 + number * 3600, encoder.time_base
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    units = bytes(packets[0]).replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
    mask, shift = (0x1F, 0) if codec == "h264" else (0x3F, 1)
    sets = tuple(unit for unit in units if unit[0] >> shift & mask in kinds)
    track = VideoTrack(codec, width, height, Fraction(25), encoder.time_base, sets)
    return track, [VideoPacket(bytes(p), p.pts, p.is_keyframe, 0) for p in packets]


def encode_sound(codec: str, seconds: float) -> tuple[AudioTrack, list[AudioPacket]]:
    """Silence on the timeline of `encode`: `aac`, `opus` or `pcm_mulaw`."""
    name, form, rate, channels = _SOUND[codec]
    layout = "stereo" if channels == 2 else "mono"
    encoder = av.CodecContext.create(name, "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, layout, form
    encoder.time_base = Fraction(1, rate)
    encoder.open()
    size = encoder.frame_size or 160
    silence = np.zeros((channels, size), np.float32)
    if form == "s16":
        silence = silence.astype(np.int16)
    if not form.endswith("p"):
        silence = silence.reshape(1, -1)
    packets = []
    for number in range(round(seconds * rate / size)):
        frame = av.AudioFrame.from_ndarray(silence, form, layout)
        frame.sample_rate, frame.pts = rate, 100 * rate + number * size
        packets += encoder.encode(frame)
    # Opus's and G.711's packets need no configuration.
    extradata = bytes(encoder.extradata or b"") if codec == "aac" else b""
    track = AudioTrack(codec, rate, channels, encoder.time_base, extradata)
    return track, [AudioPacket(bytes(p), p.pts or 0) for p in packets]


def free_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def ffmpeg_listener(
    scheme: str, path: Path, port: int | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """
    An ffmpeg that takes one stream by `rtsp` or `rtmp` and copies it into *path*.

    Yields its URL and its process, which ends when the stream does.
    """
    require("ffmpeg", "ffmpeg")
    port = free_port() if port is None else port
    url = f"{scheme}://127.0.0.1:{port}/live/k3y"
    listen = {"rtsp": ("-rtsp_flags", "listen"), "rtmp": ("-listen", "1", "-f", "flv")}[scheme]
    command = ["ffmpeg", "-nostdin", "-v", "error", *listen, "-i", url, "-c", "copy", "-y"]
    process = subprocess.Popen([*command, str(path)], stderr=subprocess.DEVNULL)
    try:
        _wait_listening(port, process)
        yield url, process
    finally:
        process.kill()
        process.wait()


class GstRecord:
    """A GStreamer RTSP server with one place to record to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self._output = process.stdout
        self.port = int(self._output.readline())
        self._changed = threading.Condition()
        self._frames = 0
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def wait_frames(self, count: int) -> int:
        """Wait until it decoded *count* frames, within reason; returns how many it has."""
        with self._changed:
            self._changed.wait_for(lambda: self._frames >= count, PATIENCE_S)
            return self._frames

    def join(self) -> None:
        self._thread.join()

    def _read(self) -> None:
        for line in self._output:
            with self._changed:
                self._frames = int(line.split()[1])
                self._changed.notify_all()


@contextmanager
def gstreamer(
    user: str | None = None, password: str | None = None, tls: TlsFiles | None = None
) -> Iterator[GstRecord]:
    """GStreamer's server, with Digest if a user and a password are given, and with TLS if *tls*."""
    python = gstreamer_python("rtph264depay", "avdec_h264")
    script = Path(__file__).with_name("gst_record.py")
    command = [python, str(script)]
    if user is not None and password is not None:
        command += ["--user", user, "--password", password]
    if tls is not None:
        command += ["--certificate", str(tls.cert), "--key", str(tls.key)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    server = None
    try:
        server = GstRecord(process)
        yield server
    finally:
        process.kill()
        process.wait()
        if server is not None:
            server.join()
        assert process.stdout
        process.stdout.close()


def _wait_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait without connecting, for a listener that takes one connection would be spent."""
    end = time.monotonic() + PATIENCE_S
    wanted = f":{port:04X} 00000000:0000 0A"
    while process.poll() is None and time.monotonic() < end:
        if wanted in Path("/proc/net/tcp").read_text():
            return
        time.sleep(0.02)
    pytest.fail("ffmpeg does not listen")
