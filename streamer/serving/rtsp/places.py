"""The mount and track that the URI of a request names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from streamer.serving.rtsp.sdp import TRACK

_AUTHORITY = re.compile(r"(rtsps?://)(?:[^/?#]*@)?([^/?#]*)", re.IGNORECASE)
_TRACK_END = re.compile(rf"/?{TRACK}(\d{{1,2}})/*$")


@dataclass(frozen=True, slots=True)
class Place:
    """What a URI names."""

    base: str
    """The mount's URL for this viewer: no credentials, no query, no slash at its end."""
    path: str
    track: int | None


def locate(uri: str, host: str) -> Place | None:
    """
    What *uri* names; None where it is no URL.

    Queries and slashes at the end are ignored. The track comes last, even after a query: some
    players append it to the URL they were given.
    """
    authority = _AUTHORITY.match(uri)
    rest = uri[authority.end() :] if authority else uri
    if not authority and not uri.startswith("/"):
        return None
    track = _TRACK_END.search(rest) or _TRACK_END.search(rest.partition("?")[0])
    path = (rest[: track.start()] if track else rest).partition("?")[0].rstrip("/") or "/"
    start = f"{authority[1].lower()}{authority[2]}" if authority else f"rtsp://{host}"
    return Place(start + path.rstrip("/"), unquote(path), None if track is None else int(track[1]))
