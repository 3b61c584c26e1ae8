"""Sound encoded at test time: short beeps at known moments, so that sync can be measured."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from streamer.packets import AudioPacket, AudioTrack

RATE = 48_000
BEEP_S = 0.05


def samples(seconds: float, beeps_s: tuple[float, ...]) -> np.ndarray:
    """(n,) float32, silent but for a tone of 1 kHz at each of *beeps_s*."""
    sound = np.zeros(int(seconds * RATE), np.float32)
    tone = np.sin(np.arange(int(BEEP_S * RATE)) * 2 * np.pi * 1000 / RATE).astype(np.float32)
    for at_s in beeps_s:
        begin = int(at_s * RATE)
        sound[begin : begin + len(tone)] = tone[: len(sound) - begin]
    return sound


def frames(sound: np.ndarray, size: int = 1024) -> list[av.AudioFrame]:
    """*sound* as mono frames with timestamps from 0."""
    made = []
    for begin in range(0, len(sound) - size + 1, size):
        frame = av.AudioFrame.from_ndarray(sound[None, begin : begin + size], "fltp", "mono")
        frame.sample_rate = RATE
        frame.pts, frame.time_base = begin, Fraction(1, RATE)
        made.append(frame)
    return made


def aac(seconds: float, beeps_s: tuple[float, ...] = ()) -> tuple[AudioTrack, list[AudioPacket]]:
    """A track and its packets, from 0 on."""
    context = av.CodecContext.create("aac", "w")
    context.sample_rate, context.layout, context.format = RATE, "mono", "fltp"
    context.time_base = Fraction(1, RATE)
    context.open()
    encoded = [p for f in frames(samples(seconds, beeps_s)) for p in context.encode(f)]
    encoded += context.encode(None)
    track = AudioTrack("aac", RATE, 1, Fraction(1, RATE), bytes(context.extradata or b""))
    return track, [AudioPacket(bytes(p), p.pts) for p in encoded]


_ENCODERS = {"mp3": "libmp3lame", "opus": "libopus"}


def encoded(
    codec: str, layout: str = "mono", rate: int = RATE
) -> tuple[AudioTrack, list[AudioPacket]]:
    """Two seconds with a beep at 0.5 and 1.5 s, from 0 on; times in units of 1/RATE."""
    context = av.CodecContext.create(_ENCODERS.get(codec, codec), "w")
    form = context.codec.audio_formats[0].name
    context.sample_rate, context.layout, context.format = rate, layout, form
    context.time_base = Fraction(1, rate)
    context.flags |= av.codec.context.Flags.global_header
    context.open()
    resampler = av.AudioResampler(form, layout, rate, frame_size=context.frame_size or 1024)
    packets = []
    for frame in [*frames(samples(2.0, (0.5, 1.5))), None]:
        for part in resampler.resample(frame):
            packets += context.encode(part)
    packets += context.encode(None)
    made = [AudioPacket(bytes(p), round(p.pts * p.time_base * RATE)) for p in packets if p.size]
    head = bytes(context.extradata or b"")
    channels = context.layout.nb_channels
    return AudioTrack(codec, rate, channels, Fraction(1, RATE), head), [
        p for p in made if p.pts >= 0
    ]


def packets_of(path: str) -> tuple[AudioTrack, list[AudioPacket]]:
    """What a file holds."""
    with av.open(path) as container:
        stream = container.streams.audio[0]
        context = stream.codec_context
        track = AudioTrack(
            context.codec.canonical_name,
            context.sample_rate,
            context.layout.nb_channels,
            stream.time_base,
            bytes(context.extradata or b""),
        )
        return track, [AudioPacket(bytes(p), p.pts) for p in container.demux(stream) if p.size]


def decoded(path: str) -> np.ndarray:
    """(channels, n) float32: all samples of a file."""
    resampler = av.AudioResampler("fltp")
    with av.open(path) as container:
        return np.concatenate(
            [
                part.to_ndarray()
                for frame in container.decode(audio=0)
                for part in resampler.resample(frame)
            ],
            axis=1,
        )


def heard_s(path: str) -> list[float]:
    """Where the beeps of a file begin, in seconds of its timeline."""
    times: list[np.ndarray] = []
    resampler = av.AudioResampler("fltp")
    with av.open(path) as container:
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                (loud,) = np.nonzero(np.abs(part.to_ndarray()).max(axis=0) > 0.2)
                times.append(float(frame.pts * frame.time_base) + loud / frame.sample_rate)
    heard = np.concatenate([[-1.0], *times])
    return [float(at_s) for at_s in heard[1:][np.diff(heard) > 0.1]]
