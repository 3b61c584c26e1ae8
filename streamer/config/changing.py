"""How each part of a configuration is changed while its stream runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from streamer.config.data import Data
from streamer.config.models import Config

Way = Literal["next frame", "source", "matting", "sinks", "restart"]
"""
`next frame`: applies from the next frame on. `source`: a camera or RTSP stream is reopened; other
sources take some of their settings without that. `matting`: model and matting are loaded again
while the old ones keep running. `sinks`: those
that differ are ended and made anew, the others go on. `restart`: fixed while the stream runs.
"""

WAYS: dict[str, Way] = {
    "refine": "next frame",
    "compose": "next frame",
    "preprocess.roi": "next frame",
    "preprocess.output": "restart",
    "preprocess": "matting",
    "model": "matting",
    "matting": "matting",
    "source.type": "restart",
    "source.reconnect": "restart",
    "source": "source",
    "name": "restart",
    "sinks": "sinks",
    "standby": "restart",
    "pipeline": "restart",
    "needs": "next frame",  # they are the fleet's, and change nothing here
}
"""By dotted key. A key that is not listed follows the longest listed key above it."""


def way_of(key: str) -> Way:
    """How the value at the dotted *key* is changed; `restart` where there is no such key."""
    while key not in WAYS and "." in key:
        key = key.rpartition(".")[0]
    return WAYS.get(key, "restart")


def differences(one: Config, other: Config) -> Iterator[str]:
    """The keys of sections and options, such as `refine.gain`, whose values differ."""
    for section in Config.model_fields:
        mine, theirs = getattr(one, section), getattr(other, section)
        if mine == theirs:
            continue
        if type(mine) is not type(theirs):
            yield f"{section}.type"
        elif not isinstance(mine, Data):
            yield section
        else:
            names = type(mine).model_fields
            yield from (
                f"{section}.{name}"
                for name in names
                if getattr(mine, name) != getattr(theirs, name)
            )
