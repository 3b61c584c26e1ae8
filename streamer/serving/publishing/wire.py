"""
What a publisher and its child process say to each other, described here and nowhere else.

To the child, on its stdin, messages of a header and a body:

    kind   1 byte    HELLO, VIDEO or AUDIO
    key    1 byte    1 where decoding can begin, else 0
    pts    8 bytes   signed, big-endian, units of the track's time base; 0 in HELLO
    size   4 bytes   unsigned, big-endian: bytes of the body

The first message is HELLO; its body is JSON, the fields of `Hello`. The body of the others is one
encoded packet. The end of stdin asks for the end: write the trailer, hang up, leave.

From the child, on its stdout, one JSON object a line:

    {"event": "opening"}                             ready, now connecting
    {"event": "connected"}                           the header is written: packets may come
    {"event": "progress", "packets": 1, "bytes": 2}  muxed so far, in all; every `PROGRESS_S`
    {"event": "error", "kind": "…", "detail": "…"}   it leaves; `kind` is a `Failure`

There is no version: both ends are of one installation.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal, cast

from streamer.packets import AudioTrack, VideoTrack

HEADER = struct.Struct("!BBqI")
HELLO, VIDEO, AUDIO = b"HVA"
PROGRESS_S = 0.1
"""Seconds between two `progress` events; what was muxed after the last one stays unknown."""

Failure = Literal[
    "refused",
    "untrusted",
    "unauthorized",
    "forbidden",
    "not_found",
    "timed_out",
    "rejected",
    "lost",
    "unsupported",
    "codec",
    "failed",
]


@dataclass(frozen=True, slots=True)
class Hello:
    """Where to publish and what; has the URL with its password, so it is never printed."""

    url: str
    format: str
    """FFmpeg's name of the muxer."""
    options: dict[str, str]
    """The muxer's options."""
    video: VideoTrack
    audio: AudioTrack | None

    def __repr__(self) -> str:
        return f"Hello({self.format})"


def pack(kind: int, body: bytes, pts: int = 0, key: bool = False) -> bytes:
    """One message, as it goes over the pipe."""
    return HEADER.pack(kind, key, pts, len(body)) + body


def pack_hello(hello: Hello) -> bytes:
    """The first message."""
    return pack(HELLO, json.dumps(asdict(hello), default=_plain).encode())


def parse_hello(body: bytes) -> Hello:
    """What `pack_hello` packed, from its body."""
    fields = json.loads(body)
    video, audio = fields["video"], fields["audio"]
    fps = video["fps"]
    return Hello(
        url=fields["url"],
        format=fields["format"],
        options=fields["options"],
        video=VideoTrack(
            codec=video["codec"],
            width=video["width"],
            height=video["height"],
            fps=None if fps is None else Fraction(fps),
            time_base=Fraction(video["time_base"]),
            parameter_sets=tuple(bytes.fromhex(unit) for unit in video["parameter_sets"]),
        ),
        audio=None
        if audio is None
        else AudioTrack(
            codec=audio["codec"],
            sample_rate=audio["sample_rate"],
            channels=audio["channels"],
            time_base=Fraction(audio["time_base"]),
            extradata=bytes.fromhex(audio["extradata"]),
        ),
    )


def pack_event(event: str, **fields: str | int) -> bytes:
    """One line from the child."""
    return json.dumps({"event": event, **fields}).encode() + b"\n"


def parse_event(line: bytes) -> dict[str, Any]:
    """
    What `pack_event` packed.

    Raises:
        ValueError: it is something else, such as a line that a library printed.
    """
    fields = json.loads(line)
    if not isinstance(fields, dict) or not isinstance(fields.get("event"), str):
        raise ValueError("not an event")
    return cast("dict[str, Any]", fields)


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
