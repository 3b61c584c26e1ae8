"""When the model is asked while a stream is followed, and what it should look at."""

from __future__ import annotations

from collections.abc import Callable

from streamer.config import MattingConfig
from streamer.matting.tracking.effort import Effort, View
from streamer.matting.tracking.held import Held
from streamer.matting.tracking.keys import Key
from streamer.matting.tracking.scene import is_new, new_share
from streamer.matting.tracking.subject import find_subjects

_CALM = 5.0
"""Grey levels that the flow leaves unexplained around subjects that hardly move."""
_QUICK_S = 0.4
"""After which a glance is answered where the model is quick."""
_EMPTY_S = 1.0
"""Seconds from one key frame to the next while nobody is there."""
_NEWCOMER_S = 0.1
"""Seconds from one look at what has come into an empty room to the next, at least."""
_MUCH_NEW = 0.02
"""Share of the picture in which a file has something new, and is searched without waiting."""
_MOST_ASTRAY_PX = 0.8
"""Pixels of the luma picture by which a way back misses: more, and it is time for a key frame."""
_OFTEN = 3
"""Key frames in a row, one frame after the other, after which a file gets them so…"""
_ALL, _ALL_AT_MOST = 12, 48
"""…for so many frames, twice as many each time a run begins soon after the last one's end."""
_DEAR = 0.5
"""Looks at the whole frame that each of these key frames takes at least."""
_MISSES = 3
"""Searches without a find, of which the last is a closer look at the whole frame…"""
_LIVE_MISSES = 8
"""…which a live stream, that may wait a second for it, takes less often."""
_STILL_SEARCHES = 4
"""While nothing moves the whole frame is looked at so many times less often."""


class Cadence:
    """
    Says when a key frame is due.

    Args:
        config: intervals.
        effort: how finely and how often is looked.
        price: what a view takes, in looks at the whole frame.
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
        """A glance found what may be the room: it is looked at closely next."""
        self._config = config
        self._effort = effort
        self._price = price
        self._live = live
        self._often = 0
        """Key frames in a row that were one frame after the other."""
        self._all_for = _ALL
        """Frames that the model sees in a row, once there are so many."""
        self._all_until = -_ALL
        """Before this frame the model sees each of a file."""
        self._misses = 0
        """Key frames in a row without a subject."""
        self._searched_s = 0.0
        """When, by the frames' time, the whole frame was looked at."""

    def sees_all(self, number: int) -> bool:
        """Whether the model sees each frame for a while, that of *number* among them."""
        return number < self._all_until

    def asked(self, view: View, at_s: float) -> bool:
        """The model is asked for *view* of the frame of that time; whether that is in doubt."""
        if view != "crops":
            self._searched_s = at_s
        doubted, self._doubts = self._doubts, False
        return doubted

    def heard(self, key: Key, *, doubts: bool) -> None:
        """The model has answered for *key*; its subjects may be the room if *doubts*."""
        self._misses = self._misses + 1 if key.is_empty else 0
        self._doubts = doubts

    def view(
        self, held: Held, newest: Key | None, newcomer: Callable[[], bool | None], *, denied: bool
    ) -> View | None:
        """
        What the model should look at in a frame; None where it need not.

        Args:
            held: the frame, which leads to *newest*.
            newest: key of its scene.
            newcomer: whether something has come into the empty room; None where that is unknown.
            denied: the model has said for a while that it is nobody.
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
        # More than the model would take for each of these frames is never worth it.
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
            # Where the room is known, what moves is seen to be none of it.
            come = newcomer()
            moves = not held.lead.still if come is None else come
            soon = come and not denied
            due = searched_s >= _EMPTY_S or (moves and (soon or searched_s >= least_s))
            rest = _LIVE_MISSES if self._live else _MISSES
            return ("whole" if self._misses % rest == rest - 1 else search) if due else None
        if newest.is_rough:
            # Some of it may be furniture: who looks closely at that alone takes it for a subject.
            # A look at all of it takes four times as long as the glance: too long for who moves.
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
