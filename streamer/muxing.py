"""
Streams of an output that carry packets as they are: nothing is decoded or encoded.

PyAV makes such a stream only as a copy of one that was demuxed, so one is demuxed from what says
just enough of it.
"""

from __future__ import annotations

import io
import struct
from typing import TypeVar

import av
from av.audio.codeccontext import AudioCodecContext
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from streamer.packets import AudioTrack, VideoTrack

_START_CODE = b"\0\0\0\1"
_WAVE_TAGS = {
    "aac": 0xFF,
    "ac3": 0x2000,
    "flac": 0xF1AC,
    "mp2": 0x50,
    "mp3": 0x55,
    "pcm_alaw": 0x06,
    "pcm_mulaw": 0x07,
    "pcm_s16le": 0x01,
    "vorbis": 0x566F,
}
"""`wFormatTag` in a WAVEFORMATEX (RFC 2361, and what FFmpeg takes for FLAC and Vorbis)."""
_SAMPLE_BITS = {"pcm_alaw": 8, "pcm_mulaw": 8, "pcm_s16le": 16}
_T = TypeVar("_T", VideoCodecContext, AudioCodecContext)


class CopiedStream:
    """One stream of the output, and its time."""

    def __init__(self, stream: Stream, track: VideoTrack | AudioTrack) -> None:
        self._stream = stream
        self._base = track.time_base
        self._last: int | None = None

    def packet(self, data: bytes, pts: int, key: bool) -> Packet[Stream]:
        """A packet in the muxer's own units, later than the one before, as muxers demand."""
        base = self._stream.time_base or self._base
        placed = round(pts * self._base / base)
        if self._last is not None:
            placed = max(placed, self._last + 1)
        self._last = placed
        packet: Packet[Stream] = Packet(data)
        packet.stream = self._stream
        packet.time_base = base
        packet.pts = packet.dts = placed
        packet.is_keyframe = key
        return packet


def add_video(output: OutputContainer, track: VideoTrack) -> Stream:
    """
    A stream for *track*, without an encoder.

    PyAV copies a stream that was demuxed; the parameter sets alone are enough of one. They stay
    in Annex B: the muxers of RTSP and FLV convert them, and then the packets, as they need.
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
    """A stream for *track*, without an encoder: a copy of what a WAVE header describes."""
    if track.codec == "opus":
        # WAVE has no Opus; its encoder, opened and never used, describes it (RFC 7845, 5.1).
        layout = "mono" if track.channels == 1 else "stereo"
        return output.add_stream("libopus", rate=48000, layout=layout)
    if track.codec not in _WAVE_TAGS:
        raise ValueError(f"no audio in {track.codec}")
    template = av.open(io.BytesIO(_wave_header(track)), "r", format="wav")
    context = _copy(output, template, AudioCodecContext)
    if track.extradata:
        context.extradata = track.extradata
    return output.streams.audio[0]


def _copy(output: OutputContainer, template: InputContainer, kind: type[_T]) -> _T:
    context = output.add_stream_from_template(template.streams[0], opaque=True).codec_context
    assert isinstance(context, kind)  # noqa: S101 - the template is ours
    return context


def _wave_header(track: AudioTrack) -> bytes:
    """RIFF with a WAVEFORMATEX and no samples."""
    bits = _SAMPLE_BITS.get(track.codec, 0)
    frame_bytes = track.channels * max(1, bits // 8)
    form = struct.pack(
        "<HHIIHHH",
        _WAVE_TAGS[track.codec],
        track.channels,
        track.sample_rate,
        track.sample_rate * frame_bytes,
        frame_bytes,
        bits,
        len(track.extradata),
    )
    form += track.extradata + b"\0" * (len(track.extradata) % 2)
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + bytes(4)
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks
