"""The session description (SDP, RFC 4566) of a mount: the answer to DESCRIBE."""

from __future__ import annotations

from base64 import b64encode

from streamer.packets import VideoTrack
from streamer.serving.rtsp.audio import AudioFormat
from streamer.serving.rtsp.rtp import VIDEO_CLOCK, VIDEO_TYPE

TRACK = "trackID="
"""A track's control URL is the mount's with `/trackID=0` (video) or `/trackID=1` (audio)."""


def describe(
    name: str,
    address: str,
    identity: int,
    video: VideoTrack,
    audio: AudioFormat | None,
) -> bytes:
    """
    The session description of a mount.

    Args:
        name: the mount's path.
        address: the server's, as the viewer sees it.
        identity: a number of the mount, which never changes.
        video: its video track.
        audio: the format of its audio track; None if there is none.
    """
    family = "IP6" if ":" in address else "IP4"
    anywhere = "::" if ":" in address else "0.0.0.0"  # noqa: S104 - as RTSP demands, not a bind
    lines = [
        "v=0",
        f"o=- {identity} 1 IN {family} {address}",
        f"s={name}",
        f"c=IN {family} {anywhere}",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
        f"m=video 0 RTP/AVP {VIDEO_TYPE}",
        f"a=rtpmap:{VIDEO_TYPE} {_ENCODING[video.codec]}/{VIDEO_CLOCK}",
    ]
    if parameters := _VIDEO_PARAMETERS[video.codec](video.parameter_sets):
        lines.append(f"a=fmtp:{VIDEO_TYPE} {parameters}")
    if video.fps:
        lines.append(f"a=framerate:{float(video.fps):.6g}")
    lines.append(f"a=control:{TRACK}0")
    if audio is not None:
        lines.append(f"m=audio 0 RTP/AVP {audio.payload_type}")
        lines.append(f"a=rtpmap:{audio.payload_type} {audio.rtpmap}")
        if audio.fmtp:
            lines.append(f"a=fmtp:{audio.payload_type} {audio.fmtp}")
        lines.append(f"a=control:{TRACK}1")
    return ("\r\n".join(lines) + "\r\n").encode()


def _h264(sets: tuple[bytes, ...]) -> str:
    """RFC 6184 section 8.1."""
    parts = ["packetization-mode=1"]
    for unit in sets:
        if unit[0] & 0x1F == 7 and len(unit) >= 4:
            parts.append(f"profile-level-id={unit[1:4].hex().upper()}")
            break
    if sets:
        parts.append("sprop-parameter-sets=" + ",".join(map(_base64, sets)))
    return "; ".join(parts)


def _hevc(sets: tuple[bytes, ...]) -> str:
    """RFC 7798 section 7.1."""
    parts = []
    for name, kind in (("vps", 32), ("sps", 33), ("pps", 34)):
        units = [unit for unit in sets if unit[0] >> 1 & 0x3F == kind]
        if units:
            parts.append(f"sprop-{name}=" + ",".join(map(_base64, units)))
    return "; ".join(parts)


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


_ENCODING = {"h264": "H264", "hevc": "H265"}
_VIDEO_PARAMETERS = {"h264": _h264, "hevc": _hevc}
