"""Streams made at test time: real ones, encoded as they are sent, and tiny made-up ones."""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.video.frame import PictureType

from streamer.packets import (
    AudioPacket,
    AudioTrack,
    VideoCodec,
    VideoPacket,
    VideoTrack,
    split_annex_b,
)
from streamer.serving.rtsp import Mount

TIME_BASE = Fraction(1, 1000)
_ENCODERS = {"h264": "libx264", "hevc": "libx265"}
_PARAMETER_SETS = {"h264": (7, 8), "hevc": (32, 33, 34)}
_START = b"\0\0\0\1"


def kind_of(codec: str, unit: bytes | memoryview) -> int:
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


class Encoder:
    """Makes a moving picture and encodes it, a key frame only where one is asked for."""

    def __init__(
        self, codec: VideoCodec = "h264", size: tuple[int, int] = (320, 240), fps: int = 50
    ) -> None:
        self.fps = fps
        self._context = av.CodecContext.create(_ENCODERS[codec], "w")
        self._context.width, self._context.height = size
        self._context.pix_fmt = "yuv420p"
        self._context.time_base = TIME_BASE
        self._context.framerate = Fraction(fps)
        self._context.max_b_frames = 0
        self._context.gop_size = 100_000
        options = {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1", "threads": "1"}
        if codec == "hevc":
            options["x265-params"] = "log-level=none:repeat-headers=1:pools=none:frame-threads=1"
        self._context.options = options
        self._noise = np.random.default_rng(1).integers(60, 190, (size[1], size[0]), np.uint8)
        first = self.encode(0, key=True)
        sets = tuple(
            bytes(unit)
            for unit in split_annex_b(first.data)
            if kind_of(codec, unit) in _PARAMETER_SETS[codec]
        )
        self.track = VideoTrack(codec, *size, Fraction(fps), TIME_BASE, sets)

    def encode(self, number: int, *, key: bool = False) -> VideoPacket:
        height, width = self._noise.shape
        frame = av.VideoFrame(width, height, "yuv420p")
        luma = np.ndarray(
            (height, frame.planes[0].line_size), np.uint8, memoryview(frame.planes[0])
        )
        luma[:, :width] = np.roll(self._noise, 2 * number, axis=1)
        for plane in frame.planes[1:]:
            plane.update(bytes([128]) * plane.buffer_size)
        frame.pts, frame.time_base = number * 1000 // self.fps, TIME_BASE
        frame.pict_type = PictureType.I if key else PictureType.NONE
        (packet,) = self._context.encode(frame)
        return VideoPacket(bytes(packet), frame.pts, packet.is_keyframe, time.monotonic_ns())


class Feeder:
    """Feeds a mount in real time, from frame 1 on, until the `with` block ends."""

    def __init__(
        self, mount: Mount, encoder: Encoder, audio: list[AudioPacket] | None = None
    ) -> None:
        self.mount = mount
        self.keys = 0
        self.frames = 0
        self._encoder = encoder
        self._audio = list(audio or ())
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        started = time.monotonic()
        number = 1
        while not self._ending.wait(
            max(0, started + number / self._encoder.fps - time.monotonic())
        ):
            key = self.mount.take_key_request()
            self.keys += key
            packet = self._encoder.encode(number, key=key)
            self.mount.send_video(packet)
            while self._audio and self._audio[0].pts * 1000 <= packet.pts * 48000:
                self.mount.send_audio(self._audio.pop(0))
            self.frames += 1
            number += 1


def tone(codec: str, seconds: float) -> tuple[AudioTrack, list[AudioPacket]]:
    """A tone of *seconds*, in packets of 48 kHz, stereo or, for G.711, 8 kHz mono."""
    names = {"aac": "aac", "opus": "libopus", "pcm_mulaw": "pcm_mulaw", "pcm_alaw": "pcm_alaw"}
    plain = codec.startswith("pcm")
    rate, layout, form = (8000, "mono", "s16") if plain else (48000, "stereo", "fltp")
    if codec == "opus":
        form = "flt"
    context = av.CodecContext.create(names[codec], "w")
    context.sample_rate, context.layout, context.format = rate, layout, form
    context.time_base = Fraction(1, rate)
    if codec == "aac":
        context.flags |= av.codec.context.Flags.global_header
    context.open()
    size = context.frame_size or 160
    packets = []
    wave = np.sin(np.arange(int(seconds * rate)) * 2 * np.pi * 440 / rate) * 0.3
    for begin in range(0, len(wave) - size, size):
        piece = wave[begin : begin + size].astype(np.float32)
        if form == "fltp":
            data = np.stack([piece, piece])
        elif form == "flt":
            data = np.repeat(piece, 2)[None]
        else:
            data = (piece * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(data), form, layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
        packets += [
            AudioPacket(
                bytes(p),
                p.pts,
            )
            for p in context.encode(frame)
        ]
    channels = 1 if plain else 2
    track = AudioTrack(codec, rate, channels, Fraction(1, rate), bytes(context.extradata or b""))
    return track, packets


TINY = VideoTrack(
    "h264", 64, 48, Fraction(25), TIME_BASE, (b"\x67\x42\xc0\x1e", b"\x68\xce\x3c\x80")
)
"""A track that no decoder has to understand."""


def tiny_packet(number: int, *, key: bool = False, size: int = 40) -> VideoPacket:
    """An access unit of one slice that tells its *number*; a key frame has parameter sets too."""
    unit = bytes([0x65 if key else 0x41]) + b"%08d" % number + b"\xff" * (size - 9)
    units = (*TINY.parameter_sets, unit) if key else (unit,)
    data = b"".join(_START + unit for unit in units)
    return VideoPacket(data, number * 40, key, time.monotonic_ns())
