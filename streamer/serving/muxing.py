"""
Streams of an output that carry packets as they are: nothing is decoded or encoded.

PyAV makes such a stream only as a copy of a demuxed one. So a minimal file that describes it is
made and demuxed.
"""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from typing import TypeVar

import av
from av.audio.codeccontext import AudioCodecContext
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from streamer.packets import AudioTrack, VideoTrack

_START_CODE = b"\0\0\0\1"
_PCM_LITTLE, _PCM_BIG, _FLOAT, _WAVE = (
    "A_PCM/INT/LIT",
    "A_PCM/INT/BIG",
    "A_PCM/FLOAT/IEEE",
    "A_MS/ACM",
)
_AUDIO: dict[str, tuple[str, int]] = {
    "aac": ("A_AAC", 0),
    "ac3": ("A_AC3", 0),
    "alac": ("A_ALAC", 0),
    "dts": ("A_DTS", 0),
    "eac3": ("A_EAC3", 0),
    "flac": ("A_FLAC", 0),
    "mlp": ("A_MLP", 0),
    "mp2": ("A_MPEG/L2", 0),
    "mp3": ("A_MPEG/L3", 0),
    "opus": ("A_OPUS", 0),
    "pcm_alaw": (_WAVE, 8),
    "pcm_f32le": (_FLOAT, 32),
    "pcm_f64le": (_FLOAT, 64),
    "pcm_mulaw": (_WAVE, 8),
    "pcm_s16be": (_PCM_BIG, 16),
    "pcm_s16le": (_PCM_LITTLE, 16),
    "pcm_s24be": (_PCM_BIG, 24),
    "pcm_s24le": (_PCM_LITTLE, 24),
    "pcm_s32be": (_PCM_BIG, 32),
    "pcm_s32le": (_PCM_LITTLE, 32),
    "pcm_u8": (_PCM_LITTLE, 8),
    "truehd": ("A_TRUEHD", 0),
    "vorbis": ("A_VORBIS", 0),
}
"""Matroska's name of each codec (RFC 9559, 27.1) and the bits of a sample, where it has some."""
_WAVE_TAGS = {"pcm_alaw": 0x06, "pcm_mulaw": 0x07}
"""`wFormatTag` in a WAVEFORMATEX (RFC 2361)."""
_TS_NONSTRICT = 0x20000
"""`AVFMT_TS_NONSTRICT`: the muxer accepts two packets with equal timestamps."""
_LONGEST_S = 1
"""Packets that are further apart have a gap between them."""
_OPUS_DELAY = 312
"""Samples that the common encoder needs before its first."""
_T = TypeVar("_T", VideoCodecContext, AudioCodecContext)


class CopiedStream:
    """One stream of the output, and how far it has come."""

    def __init__(self, stream: Stream, track: VideoTrack | AudioTrack) -> None:
        self._stream = stream
        self._base = track.time_base
        # Where equal times are allowed, packets shorter than a unit need them.
        self._least = 0 if stream.container.format.flags & _TS_NONSTRICT else 1
        self._duration_s = Fraction(0)
        self._last_s: Fraction | None = None

    @property
    def end_s(self) -> Fraction:
        """Where the latest packet ends, in seconds."""
        return (self._last_s or Fraction(0)) + self._duration_s

    def packet(self, data: bytes, pts: int, key: bool) -> Packet[Stream]:
        """
        Make a packet in the muxer's own units, after the one before, as muxers demand.

        Its duration is that of the one before: with none, the last one would end where it begins.
        """
        # The muxer may choose another unit when it writes its header, with the first packet.
        base = self._stream.time_base or self._base
        placed = round(pts * self._base / base)
        if self._last_s is not None:
            last = round(self._last_s / base)
            placed = max(placed, last + self._least)
            if (placed - last) * base <= _LONGEST_S:
                self._duration_s = (placed - last) * base
        self._last_s = placed * base
        packet: Packet[Stream] = Packet(data)
        packet.stream = self._stream
        packet.time_base = base
        packet.pts = packet.dts = placed
        packet.duration = round(self._duration_s / base)
        packet.is_keyframe = key
        return packet


def add_video(output: OutputContainer, track: VideoTrack) -> Stream:
    """
    A stream for *track*, without an encoder.

    The stream that PyAV copies is demuxed from the parameter sets alone. They stay in Annex B: the
    muxers of RTSP and FLV convert them, and then the packets, as they need.
    """
    sets = b"".join(_START_CODE + unit for unit in track.parameter_sets)
    template = av.open(io.BytesIO(sets), "r", format=track.codec)
    context = _copy(output, template, VideoCodecContext)
    context.width, context.height = track.width, track.height
    if track.fps:
        context.framerate = track.fps
    context.extradata = sets
    return output.streams.video[0]


def add_audio(output: OutputContainer, track: AudioTrack) -> Stream:
    """
    A stream for *track*, without an encoder: a copy of what a Matroska header describes.

    Raises:
        ValueError: *output* cannot hold that codec, or it is unknown here.
    """
    if track.codec not in _AUDIO:
        raise ValueError(f"no audio in {track.codec}")
    template = av.open(io.BytesIO(_matroska(track)), "r", format="matroska")
    _copy(output, template, AudioCodecContext)
    stream = output.streams.audio[0]
    stream.time_base = track.time_base
    return stream


def _copy(output: OutputContainer, template: InputContainer, kind: type[_T]) -> _T:
    context = output.add_stream_from_template(template.streams[0], opaque=True).codec_context
    assert isinstance(context, kind)  # noqa: S101 - the template is ours
    return context


def _matroska(track: AudioTrack) -> bytes:
    """A Matroska file with one empty track (RFC 9559)."""
    codec, bits = _AUDIO[track.codec]
    private = _private(track)
    audio = _element(0xB5, struct.pack(">d", track.sample_rate)) + _element(0x9F, track.channels)
    if bits:
        audio += _element(0x6264, bits)
    entry = _element(0xD7, 1) + _element(0x73C5, 1) + _element(0x83, 2)
    entry += _element(0x86, codec.encode())
    if private:
        entry += _element(0x63A2, private)
    tracks = _element(0x1654AE6B, _element(0xAE, entry + _element(0xE1, audio)))
    head = _element(0x1A45DFA3, _element(0x4282, b"matroska"))
    return head + _element(0x18538067, tracks + _element(0x1F43B675, b""))


def _element(name: int, content: bytes | int) -> bytes:
    """One element of EBML (RFC 8794): its name, the length in eight bytes, *content*."""
    data = content if isinstance(content, bytes) else content.to_bytes(8, "big")
    head = name.to_bytes((name.bit_length() + 7) // 8, "big")
    return head + (len(data) | 1 << 56).to_bytes(8, "big") + data


def _private(track: AudioTrack) -> bytes:
    """The codec's configuration as Matroska has it, which is not always as FFmpeg has it."""
    match track.codec:
        case "alac":  # without the head of QuickTime's atom
            return track.extradata[12:]
        case "flac":  # with that of FLAC's own file
            return b"fLaC\x80\0\0\x22" + track.extradata
        case "opus" if not track.extradata:  # RFC 7845, 5.1
            sizes = (1, track.channels, _OPUS_DELAY, track.sample_rate, 0, 0)
            return b"OpusHead" + struct.pack("<BBHIhB", *sizes)
        case "pcm_alaw" | "pcm_mulaw":
            rate, channels = track.sample_rate, track.channels
            tag = _WAVE_TAGS[track.codec]
            return struct.pack("<HHIIHHH", tag, channels, rate, rate * channels, channels, 8, 0)
        case _:
            return track.extradata
