"""
How each kind of video file is made: one row a codec, one row a container.

`streamer.config.video_files` says which codec goes into which container.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from streamer.config import VideoFileCodec
from streamer.sinks.recording.recoder import SoundCodec


@dataclass(frozen=True, slots=True)
class Encoding:
    """One codec: FFmpeg's encoder, and the pixels that it is given."""

    encoder: str
    opaque: str
    """Pixel format of pictures without an alpha."""
    alpha: str | None
    """Pixel format of pictures with an alpha; None where the codec holds none."""
    options: Mapping[str, str]
    takes: frozenset[str] = frozenset()
    """Which of a recording's `crf` and `preset` the encoder knows by that name."""
    crf: int = 20
    """Constant rate factor where none is asked for."""
    crf_with_alpha: int = 20
    """The same, for pictures with an alpha."""
    least_crf: int = 0
    """Lower values are raised to this: for an encoder that takes 0 as not set."""
    most_fps: Fraction = Fraction(100_000)
    """The highest rate that the encoder is told; only timestamps matter."""
    least_side: int = 1
    """Shortest side of a picture in pixels."""
    least_s: Fraction = Fraction(0)
    """Seconds between two pictures; those that come sooner are left out."""
    palette: bool = False
    """Each picture needs a palette of its own first."""


@dataclass(frozen=True, slots=True)
class Container:
    """One kind of file: FFmpeg's muxer, and the audio that it holds unchanged."""

    name: str
    """For messages."""
    muxer: str
    options: Mapping[str, str]
    audio: frozenset[str] = frozenset()
    """Audio codecs that are copied."""
    recoded: SoundCodec | None = None
    """The codec for sound in any other; None where the file has no place for sound."""
    length_told: bool = True
    """Its muxer writes the length into the header, once that is known."""


ENCODINGS: Mapping[VideoFileCodec, Encoding] = {
    "h264": Encoding(
        "libx264",
        "yuv420p",
        None,
        # A frame held back in the encoder would be lost together with the fragment.
        {"tune": "zerolatency", "forced-idr": "1"},
        frozenset({"crf", "preset"}),
    ),
    # FFmpeg's other ProRes encoder, prores_ks, takes four times as long for the same.
    "prores4444": Encoding(
        "prores_aw", "yuv444p10le", "yuva444p10le", {"profile": "4", "vendor": "apl0"}
    ),
    "vp9": Encoding(
        "libvpx-vp9",
        "yuv420p",
        "yuva420p",
        # An alpha allows no alternate reference frames; without a lag every frame comes at once.
        {
            "b": "0",
            "deadline": "realtime",
            "cpu-used": "6",
            "row-mt": "1",
            "lag-in-frames": "0",
            "auto-alt-ref": "0",
        },
        frozenset({"crf"}),
        # The encoder has one factor for both. At 20 the alpha of moving hair is off by 50 of 255,
        # at 1 by 8; at 0, which is lossless, by 1, and files are up to a third larger than at 1.
        crf_with_alpha=0,
    ),
    "av1": Encoding(
        "libsvtav1",
        "yuv420p",
        None,
        # References to the past only: otherwise it holds back seconds of film.
        {"preset": "8", "svtav1-params": "pred-struct=1"},
        frozenset({"crf"}),
        least_crf=1,
        most_fps=Fraction(240),
        least_side=4,
    ),
    "ffv1": Encoding("ffv1", "bgr0", "bgra", {"level": "3", "slicecrc": "1"}),
    "png": Encoding("png", "rgb24", "rgba", {"pred": "paeth", "compression_level": "1"}),
    "webp": Encoding("libwebp_anim", "bgra", "bgra", {"quality": "90"}),
    # Players take a shorter delay for a tenth of a second.
    "gif": Encoding("gif", "pal8", "pal8", {}, least_s=Fraction(1, 50), palette=True),
}

_COMMON = {
    "flush_packets": "1",
    # Pictures wait no longer than this for an audio track that has fallen silent.
    "max_interleave_delta": "1000000",
    "avoid_negative_ts": "disabled",
}
_MATROSKA = _COMMON | {"cluster_time_limit": "1000"}
_PCM = {f"pcm_{kind}" for kind in ("u8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be")}
_PCM |= {"pcm_f32le", "pcm_f64le"}

CONTAINERS: Mapping[str, Container] = {
    ".mp4": Container(
        "MP4",
        "mp4",
        # FFmpeg's hybrid_fragmented, as below, would keep the place of each packet in memory, half
        # a gigabyte a day. frag_discont: sound may begin after the pictures, and have gaps.
        _COMMON
        | {
            "movflags": "frag_keyframe+empty_moov+default_base_moof+frag_discont",
            "use_editlist": "0",
        },
        frozenset({"aac", "alac", "flac", "mp3", "opus"}),
        recoded="aac",
        length_told=False,
    ),
    ".mov": Container(
        "MOV",
        "mov",
        # Fragments while it grows, a file without any once it is finished: editors want that.
        _COMMON
        | {"movflags": "hybrid_fragmented+empty_moov+frag_discont", "frag_duration": "1000000"},
        frozenset({"aac", "ac3", "alac", "eac3", "mp2", "mp3", "pcm_alaw", "pcm_mulaw"} | _PCM),
        recoded="aac",
    ),
    ".mkv": Container(
        "MKV",
        "matroska",
        _MATROSKA,
        frozenset(
            {"aac", "ac3", "alac", "dts", "eac3", "flac", "mlp", "mp2", "mp3", "opus", "truehd"}
            | {"vorbis"}
            | _PCM
        ),
        recoded="aac",
    ),
    ".webm": Container(
        "WebM",
        "webm",
        _MATROSKA,
        frozenset({"opus", "vorbis"}),
        recoded="opus",
    ),
    ".webp": Container("WebP", "webp", {"loop": "0"}),
    ".gif": Container("GIF", "gif", {"loop": "0"}),
}
"""By the file's suffix."""
