"""The model's verdicts on what seems to be somebody in an empty room."""

from __future__ import annotations

import math

from streamer.matting.tracking.keys import Key

_DENIED_S = 0.5
"""A newcomer is denied once the model has said for so long that it is nobody."""
_SURE_S = 5.0
"""For so long, a closer look that found nobody overrules glances that find somebody."""


class Verdicts:
    """
    Remembers when the model saw nobody in a scene.

    Attributes:
        is_denied: the model has seen nobody for half a second, though something had come.
    """

    def __init__(self) -> None:
        self.is_denied = False
        self._denied_from_s: float | None = None
        self._room_s = -math.inf

    def forget(self) -> None:
        """Start anew for another scene."""
        self.is_denied = False
        self._denied_from_s, self._room_s = None, -math.inf

    def hear(self, key: Key) -> None:
        """Note an answer. Call this in the order of the frames' times."""
        if key.is_doubted and key.is_empty:
            self._room_s = key.pts_s
        if not (key.is_empty and key.has_newcomer):
            self._denied_from_s = None
        elif self._denied_from_s is None:
            self._denied_from_s = key.pts_s
        since_s = key.pts_s if self._denied_from_s is None else self._denied_from_s
        self.is_denied = key.pts_s - since_s >= _DENIED_S

    def is_settled(self, key: Key) -> bool:
        """Whether a recent closer look said that what a glance finds in *key* is the room."""
        return key.pts_s - self._room_s <= _SURE_S

    def is_unsure(self, key: Key) -> bool:
        """Whether somebody may be in *key* though the model saw nobody: not the room for sure."""
        return key.is_empty and (key.has_known or (key.has_newcomer and not self.is_denied))
