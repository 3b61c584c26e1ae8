"""How each part of a configuration is changed while its stream runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from streamer.config.data import Data
from streamer.config.models import Config

Way = Literal["next frame", "source", "matting", "restart"]
"""
`next frame`: the frames to come have it. `source`: a camera or RTSP stream is reopened, and other
sources take some of their settings as they go on. `matting`: model and matting are loaded again,
while the ones before go on. `restart`: fixed while the stream runs.
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
    "sinks": "restart",
    "standby": "restart",
    "pipeline": "restart",
}
"""By dotted key; a key that is not here has the way of the longest one here that it is below."""


def way_of(key: str) -> Way:
    """How the value at the dotted *key* is changed; `restart` where there is no such key."""
    while key not in WAYS and "." in key:
        key = key.rpartition(".")[0]
    return WAYS.get(key, "restart")


def differences(one: Config, other: Config) -> Iterator[str]:
    """The keys of sections and their options, as `refine.gain`, whose values are not the same."""
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
