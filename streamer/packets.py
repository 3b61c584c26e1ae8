"""
The nouns of encoded media: what a track is, and one packet of it.

Plain data, shared by encoders, demuxers, the relay and the publisher; nothing here knows a codec
library.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

VideoCodec = Literal["h264", "hevc"]

PARAMETER_SETS: dict[VideoCodec, tuple[int, ...]] = {"h264": (7, 8), "hevc": (32, 33, 34)}
"""NAL unit types of parameter sets (ITU-T H.264 table 7-1, H.265 table 7-1)."""


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """Describes the packets of an encoder."""

    codec: VideoCodec
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    fps: Fraction | None
    """Nominal frames per second, or None if unknown."""
    time_base: Fraction
    """Seconds in one unit of its packets' `pts`."""
    parameter_sets: tuple[bytes, ...]
    """NAL units without start codes: SPS, PPS for H.264; VPS, SPS, PPS for H.265."""


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """Describes the audio packets of a demuxer, as the source encoded them."""

    codec: str
    """FFmpeg's name: `aac`, `opus`, `pcm_mulaw`, `pcm_alaw`, `mp3`, …"""
    sample_rate: int
    """Hz."""
    channels: int
    time_base: Fraction
    """Seconds in one unit of its packets' `pts`."""
    extradata: bytes = b""
    """The codec's configuration: always AudioSpecificConfig for AAC; empty for codecs without."""


@dataclass(frozen=True, slots=True)
class VideoPacket:
    """One access unit."""

    data: bytes
    """Annex B: NAL units after start codes; a key frame repeats the parameter sets."""
    pts: int
    """Units of the track's `time_base`; strictly increasing, for there are no B-frames."""
    key: bool
    """Whether this is a key frame, where decoding can begin."""
    captured_ns: int
    """`time.monotonic_ns()` of the frame's capture."""


@dataclass(frozen=True, slots=True)
class AudioPacket:
    """One packet of an audio track, as it was encoded; AAC without an ADTS header."""

    data: bytes
    pts: int
    """Units of the track's `time_base`, on the video's timeline."""


def nal_type(codec: VideoCodec, unit: bytes | memoryview) -> int:
    """The type of a NAL unit, which has a byte at least (H.264 7.3.1, H.265 7.3.1.2)."""
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


_START = b"\0\0\1"


def split_annex_b(data: bytes) -> list[memoryview]:
    """
    The NAL units after the start codes of *data*, as views; empty ones are left out.

    ITU-T H.264 and H.265, annex B.
    """
    view = memoryview(data)
    units = []
    begin = data.find(_START)
    while begin >= 0:
        begin += len(_START)
        following = data.find(_START, begin)
        end = len(data) if following < 0 else following
        # A NAL unit never ends in a zero byte: these belong to the next start code.
        while end > begin and data[end - 1] == 0:
            end -= 1
        if end > begin:
            units.append(view[begin:end])
        begin = following
    return units
