"""Small files of every kind that people bring, made by ffmpeg: what the fuzzer begins with."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

_PICTURE = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=0.4"]
_SOUND = ["-f", "lavfi", "-i", "sine=r=44100:d=0.4"]
_X264 = ["-c:v", "libx264", "-preset", "ultrafast"]
_420 = ["-pix_fmt", "yuv420p"]
_AAC = ["-c:a", "aac"]
_PLAIN = [*_X264, *_420, *_AAC]
_PQ = ["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"]
_HLG = ["-color_primaries", "bt2020", "-color_trc", "arib-std-b67", "-colorspace", "bt2020nc"]
_X265 = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"]
_FIELDS = ["-vf", "tinterlace=interleave_top"]
_ALPHA = ["-vf", "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='2*X'"]

SEEDS: Mapping[str, list[str]] = {
    "plain.mp4": _PLAIN,
    "plain.mov": _PLAIN,
    "plain.mkv": [*_PLAIN, "-g", "5"],
    "plain.flv": _PLAIN,
    "plain.3gp": _PLAIN,
    "fragmented.mp4": [*_PLAIN, "-movflags", "frag_keyframe+empty_moov"],
    "faststart.mp4": [*_PLAIN, "-movflags", "faststart"],
    "aac.ts": _PLAIN,
    "aac.mts": [*_PLAIN, "-f", "mpegts", "-mpegts_m2ts_mode", "1"],
    "late.ts": [*_PLAIN, "-output_ts_offset", "30000"],
    "ac3.m2ts": [*_X264, *_420, "-c:a", "ac3"],
    "eac3.ts": [*_X264, *_420, "-c:a", "eac3"],
    "mpeg2.ts": ["-c:v", "mpeg2video", *_420, "-c:a", "mp2"],
    "fields.mpg": [*_FIELDS, "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-c:a", "mp2"],
    "fields.mkv": [*_FIELDS, *_X264, *_420, "-x264-params", "tff=1", *_AAC],
    "dvd.vob": ["-c:v", "mpeg2video", *_420, "-c:a", "ac3", "-f", "vob"],
    "mpeg4.avi": ["-c:v", "mpeg4", "-bf", "2", "-c:a", "mp3"],
    "mjpeg.avi": ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le"],
    "wmv.wmv": ["-c:v", "wmv2", "-c:a", "wmav2"],
    "theora.ogv": ["-c:v", "libtheora", *_420, "-c:a", "libvorbis"],
    "vp8.webm": ["-c:v", "libvpx", *_420, "-c:a", "libvorbis"],
    "vp9alpha.webm": [*_ALPHA, "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-c:a", "libopus"],
    "av1.mp4": ["-c:v", "libsvtav1", "-preset", "12", *_420, *_AAC],
    "hevc.mkv": [*_X265, *_420, "-c:a", "flac"],
    "pq.mp4": [*_X265, "-pix_fmt", "yuv420p10le", *_PQ, *_AAC],
    "hlg.mkv": [*_X265, "-pix_fmt", "yuv420p10le", *_HLG, "-c:a", "opus", "-strict", "-2"],
    "ycgco.mp4": [*_PLAIN, "-bsf:v", "h264_metadata=matrix_coefficients=8"],
    "reserved.mkv": [*_PLAIN, "-bsf:v", "h264_metadata=matrix_coefficients=3"],
    "wide.mp4": [*_PLAIN, "-vf", "setsar=4/3"],
    "png.mov": [*_ALPHA, "-c:v", "png", "-c:a", "pcm_s24le"],
    "prores.mov": [*_ALPHA, "-c:v", "prores_ks", "-pix_fmt", "yuva444p10le", "-c:a", "alac"],
    "qtrle.mov": [*_ALPHA, "-c:v", "qtrle", "-pix_fmt", "argb", "-c:a", "pcm_s16be"],
    "ffv1.mkv": ["-c:v", "ffv1", "-level", "3", "-c:a", "pcm_s32le"],
    "mxf.mxf": ["-c:v", "mpeg2video", *_420, "-c:a", "pcm_s16le", "-ar", "48000"],
    "nut.nut": ["-c:v", "mpeg4", "-c:a", "mp3"],
    "animated.gif": ["-an"],
    "animated.webp": ["-c:v", "libwebp_anim", "-an"],
    "animated.apng": [*_ALPHA, "-c:v", "apng", "-an", "-f", "apng"],
    "raw.y4m": [*_420, "-an"],
    "raw.h264": [*_X264, *_420, "-an"],
    "raw.hevc": [*_X265, *_420, "-an"],
    "raw.mjpeg": ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-an"],
}
"""File names, and how ffmpeg encodes a moving picture and a tone into them."""
_ENCODERS = sorted(
    {
        options[at + 1]
        for options in SEEDS.values()
        for at, option in enumerate(options)
        if option in ("-c:v", "-c:a")
    }
)


def make_seeds(folder: Path) -> list[Path]:
    """
    Write every seed into *folder*, and some that are made from others.

    Skips the test where ffmpeg, or an encoder of it, is missing.
    """
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt-get install ffmpeg")
    known = _output("ffmpeg", "-v", "error", "-encoders")
    lacking = [
        name for name in _ENCODERS if f" {name} " not in known and f"(codec {name})" not in known
    ]
    if lacking:
        pytest.skip(f"this ffmpeg has no {', '.join(lacking)}")
    made = [_encode(folder / name, options) for name, options in SEEDS.items()]
    made += [_turned(folder), _trimmed(folder), _joined(folder), _covered(folder)]
    return made


def _encode(path: Path, options: list[str]) -> Path:
    _ffmpeg(*_PICTURE, *_SOUND, *options, "-shortest", str(path))
    return path


def _turned(folder: Path) -> Path:
    """A display matrix of a quarter turn."""
    path = folder / "turned.mp4"
    plain = str(folder / "plain.mp4")
    _ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v", "rotate=90", str(path))
    # Later ones have another option for it.
    if "rotation" not in _output("ffprobe", "-v", "error", "-show_streams", str(path)):
        _ffmpeg("-display_rotation", "90", "-i", plain, "-c", "copy", str(path))
    return path


def _trimmed(folder: Path) -> Path:
    """An edit list that shows the second half."""
    path = folder / "trimmed.mov"
    _ffmpeg("-ss", "0.2", "-i", str(folder / "plain.mov"), "-c", "copy", str(path))
    return path


def _joined(folder: Path) -> Path:
    """Two transport streams one behind the other, whose clock jumps forward and back."""
    path = folder / "joined.ts"
    parts = [(folder / name).read_bytes() for name in ("aac.ts", "late.ts", "aac.ts")]
    path.write_bytes(b"".join(parts))
    return path


def _covered(folder: Path) -> Path:
    """Sound with a picture of its cover."""
    cover, path = folder / "cover.jpg", folder / "covered.m4a"
    _ffmpeg(*_PICTURE, "-frames:v", "1", str(cover))
    _ffmpeg(
        *[*_SOUND, "-i", str(cover), "-map", "0", "-map", "1", *_AAC, "-c:v", "copy"],
        *["-disposition:v", "attached_pic", str(path)],
    )
    cover.unlink()
    return path


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def _ffmpeg(*arguments: str) -> None:
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
