"""Decide when the model is asked for a key frame, and what it should look at."""

from __future__ import annotations

from collections.abc import Callable

from streamer.config import MattingConfig
from streamer.matting.tracking.effort import Effort, View
from streamer.matting.tracking.held import Held
from streamer.matting.tracking.keys import Key
from streamer.matting.tracking.scene import is_new, new_share
from streamer.matting.tracking.subject import find_subjects

_CALM = 5.0
"""Subjects hardly move if the flow leaves no more grey levels than this unexplained around them."""
_QUICK_S = 0.4
"""A quick model answers a glance within this time."""
_EMPTY_S = 1.0
"""Seconds between key frames while nobody is there."""
_NEWCOMER_S = 0.1
"""Least seconds between two looks at something that has come into an empty room."""
_MUCH_NEW = 0.02
"""If more than this share of a file's picture is new, it is searched at once."""
_MOST_ASTRAY_PX = 0.8
"""If flow there and back misses by more luma pixels than this, a key frame is due."""
_OFTEN = 3
"""After so many key frames on consecutive frames, the model sees every frame of a file…"""
_ALL, _ALL_AT_MOST = 12, 48
"""…for so many frames, at first and at most: doubled if a run begins soon after the last one."""
_DEAR = 0.5
"""Only key frames that cost at least so many looks at the whole frame count for this."""
_MISSES = 3
"""While searches find nobody, one in so many is a closer look at the whole frame…"""
_LIVE_MISSES = 8
"""…and one in so many in a live stream, which may wait a second for it."""
_STILL_SEARCHES = 4
"""While nothing moves, the whole frame is searched so many times less often."""


class Cadence:
    """
    Says when a key frame is due.

    Args:
        config: intervals.
        effort: how finely and how often the model looks.
        price: what a view costs, in looks at the whole frame.
        live: frames do not wait for the model.
    """

    def __init__(
        self,
        config: MattingConfig,
        effort: Effort,
        price: Callable[[View], float],
        *,
        live: bool,
    ) -> None:
        self._doubts = False
        """A glance found what may be the room: the next look is a close one."""
        self._config = config
        self._effort = effort
        self._price = price
        self._live = live
        self._often = 0
        """How many of the latest key frames were on consecutive frames."""
        self._all_for = _ALL
        """How long the model sees every frame, once it does."""
        self._all_until = -_ALL
        """The model sees every frame of a file before this one."""
        self._misses = 0
        """Key frames in a row without a subject."""
        self._searched_s = 0.0
        """When the whole frame was last looked at, by the frames' time."""

    def sees_all(self, number: int) -> bool:
        """Whether the model sees every frame for a while, frame *number* included."""
        return number < self._all_until

    def asked(self, view: View, at_s: float) -> bool:
        """Note that *view* is asked for at *at_s*; return whether its finds need a closer look."""
        if view != "crops":
            self._searched_s = at_s
        doubted, self._doubts = self._doubts, False
        return doubted

    def heard(self, key: Key, *, doubts: bool) -> None:
        """Note the answer for *key*; with *doubts*, what it found may be the room."""
        self._misses = self._misses + 1 if key.is_empty else 0
        self._doubts = doubts

    def view(
        self, held: Held, newest: Key | None, newcomer: Callable[[], bool | None], *, denied: bool
    ) -> View | None:
        """
        What the model should look at in a frame; None if it need not.

        Args:
            held: the frame, which leads to *newest*.
            newest: the newest key of its scene, if any.
            newcomer: tells whether something has come into the empty room; None if unknown.
            denied: the model has said for a while that the newcomer is nobody.
        """
        if self.sees_all(held.number):
            return "alone"
        if newest is None:
            return self._effort.search
        view = self._wanted(held, newest, newcomer, denied=denied)
        if view is None or self._live:
            return view
        gap = held.number - newest.number
        price = self._price(view)
        self._often = self._often + 1 if gap == 1 and price >= _DEAR else 0
        if self._often >= _OFTEN:
            soon = held.number - self._all_until < _ALL
            self._all_for = min(2 * self._all_for, _ALL_AT_MOST) if soon else _ALL
            self._often, self._all_until = 0, held.number + self._all_for
        # It is never worth more than one look at each of these frames would cost.
        return view if price <= gap else "alone"

    def _wanted(
        self, held: Held, newest: Key, newcomer: Callable[[], bool | None], *, denied: bool
    ) -> View | None:
        """The view that is due in this frame, before its price is considered."""
        search = self._effort.search
        least_s = self._effort.search_s
        now_s = held.frame.stamp.pts_s
        searched_s = now_s - self._searched_s
        if not self._live and new_share(held.lead.residual, held.lead.near) > _MUCH_NEW:
            return search
        if newest.is_empty:
            if self._doubts:
                return search
            if searched_s < _NEWCOMER_S:
                return None
            # If the room is known, it tells whether something has come; else any movement counts.
            come = newcomer()
            moves = not held.lead.still if come is None else come
            soon = come and not denied
            due = searched_s >= _EMPTY_S or (moves and (soon or searched_s >= least_s))
            rest = _LIVE_MISSES if self._live else _MISSES
            return ("whole" if self._misses % rest == rest - 1 else search) if due else None
        if newest.is_rough:
            # Some of it may be furniture, which looks like a subject in a crop around it alone. A
            # look at the whole frame takes four times as long as a glance: too long if they move.
            is_odd = newest.older is None or len(find_subjects(newest.alpha)) > 1
            is_odd = is_odd and newest.is_glance
            is_time = held.strain <= _CALM and now_s - newest.pts_s <= _QUICK_S
            return "whole" if is_odd and is_time else "crops"
        if searched_s >= least_s and is_new(held.lead.residual, held.lead.near):
            return search
        if held.lead.still:
            due = now_s - newest.pts_s >= self._config.refresh_s
        else:
            gap = held.number - newest.number
            strained = held.strain > self._effort.strain or held.astray > _MOST_ASTRAY_PX
            due = gap >= self._config.max_interval or strained
        if not due:
            return None
        rest = _STILL_SEARCHES if held.lead.still else 1
        return search if searched_s >= rest * self._config.whole_s else "crops"
