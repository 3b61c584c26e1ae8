"""What the model has said of an empty room, against what seemed to be somebody in it."""

from __future__ import annotations

import math

from streamer.matting.tracking.keys import Key

_DENIED_S = 0.5
"""For so long the model must say that what has come into an empty room is nobody."""
_SURE_S = 5.0
"""So long a closer look that found nobody holds for what glances take for one in the same room."""


class Verdicts:
    """
    Remembers the model's answers of one scene, as far as they were "nobody".

    Attributes:
        is_denied: for half a second it has seen nobody, though something had come.
    """

    def __init__(self) -> None:
        self.is_denied = False
        self._denied_from_s: float | None = None
        self._room_s = -math.inf

    def forget(self) -> None:
        """Another scene begins."""
        self.is_denied = False
        self._denied_from_s, self._room_s = None, -math.inf

    def hear(self, key: Key) -> None:
        """Take in an answer; in the order of the frames' times."""
        if key.is_doubted and key.is_empty:
            self._room_s = key.pts_s
        if not (key.is_empty and key.has_newcomer):
            self._denied_from_s = None
        elif self._denied_from_s is None:
            self._denied_from_s = key.pts_s
        since_s = key.pts_s if self._denied_from_s is None else self._denied_from_s
        self.is_denied = key.pts_s - since_s >= _DENIED_S

    def is_settled(self, key: Key) -> bool:
        """Whether a closer look said lately that what a glance finds there is the room."""
        return key.pts_s - self._room_s <= _SURE_S

    def is_unsure(self, key: Key) -> bool:
        """Whether somebody may be in *key* all the same, so that it does not show the room."""
        return key.is_empty and (key.has_known or (key.has_newcomer and not self.is_denied))
