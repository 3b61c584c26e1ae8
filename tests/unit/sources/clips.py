"""Clips encoded at test time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from streamer.serving.muxing import CopiedStream, add_audio
from tests.media import sound


def encode(
    path: Path,
    *,
    frames: int = 50,
    size: tuple[int, int] = (64, 48),
    rate: int = 25,
    pts: list[int] | None = None,
    codec: str = "libx264",
    gop: int = 10,
    faststart: bool = False,
    noise: bool = False,
    beeps_s: tuple[float, ...] | None = None,
    begins_s: float = 0,
) -> Path:
    """
    A clip whose frame n is filled with luma 16 + 4n; *pts* in ms replaces the even pace, and
    H.264 has a key frame every *gop*.

    With *beeps_s* it has AAC sound, silent but for a beep at each of those seconds. Its clock
    begins at *begins_s*.
    """
    options = {"movflags": "faststart"} if faststart else {}
    if begins_s:
        options["output_ts_offset"] = str(begins_s)
    random = np.random.default_rng(0)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        if codec == "libx264":
            stream.options = {"crf": "10", "g": str(gop), "bf": "2", "threads": "1"}
        if pts is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        track = None
        if beeps_s is not None:
            track, sounds = sound.aac(frames / rate, beeps_s)
            copied = CopiedStream(add_audio(container, track), track)
        for number in range(frames):
            # Written by plane: swscale's own way from grey BGR to 4:2:0 gives a chroma of 127.
            frame = av.VideoFrame(*size, "yuv420p")
            luma, *chroma = frame.planes
            if noise:
                luma.update(random.integers(16, 235, luma.buffer_size, dtype=np.uint8).tobytes())
            else:
                luma.update(bytes([16 + 4 * number]) * luma.buffer_size)
            for plane in chroma:
                plane.update(bytes([128]) * plane.buffer_size)
            frame.pts = number if pts is None else pts[number]
            frame.time_base = Fraction(1, rate) if pts is None else Fraction(1, 1000)
            container.mux(stream.encode(frame))
            while track is not None and sounds and sounds[0].pts * track.time_base <= number / rate:
                packet = sounds.pop(0)
                container.mux(copied.packet(packet.data, packet.pts, key=True))
        container.mux(stream.encode())
        for packet in sounds if track is not None else ():
            container.mux(copied.packet(packet.data, packet.pts, key=True))
    return path
