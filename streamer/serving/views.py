"""
Pictures of running streams for those who watch them in a browser: who wants what, and gets it.

A stream's sinks put encoded pictures in; a server takes them out. Neither waits for the other.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

from streamer.config import LayoutConfig
from streamer.core.copying import Uncopyable
from streamer.serving.fragments import Opening

Kind = Literal["mp4", "keyed", "jpeg"]
"""`mp4`: fragments of an MP4, one for each frame; `keyed`: likewise, of fill and key; `jpeg`: a
picture for each."""

MOST_VIEWERS = 64
"""Of one stream."""
_MOST_WAITING = 150
"""Pieces for one viewer: 5 s at 30 frames/s."""
_MOST_BYTES = 16 << 20
"""Of them."""
_KEY_PAUSE_S = 0.25
"""The least time between two key frames that viewers ask for."""


class TooManyViewers(Exception):
    """A stream has as many viewers as it may have."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What a viewer gets of one frame, or of some audio beside it."""

    data: bytes
    key: bool = True
    """Whether a decoder can begin with it."""


Item = Opening | Piece | None
"""An opening comes before the pieces that need it; None: there is no picture for now."""


class Viewer(Uncopyable):
    """
    One who watches: what waits for him is bounded, and he never holds up another.

    Who is too slow for MP4 loses what waits, and goes on with the next key frame; of JPEG pictures
    only the newest waits. Made by `View.join`; thread-safe.
    """

    def __init__(self, audience: Audience, wake: Callable[[], None]) -> None:
        self._audience = audience
        self._wake = wake
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._opening: Opening | None = None
        self._needs_key = True
        self.lost = 0
        """Pieces that he was too slow for."""

    def take(self, most: int | None = None) -> Sequence[Item]:
        """What waits for him, oldest first: all of it, or *most* at once."""
        with self._audience.lock:
            number = len(self._items) if most is None else min(most, len(self._items))
            items = tuple(self._items.popleft() for _ in range(number))
            self._bytes -= sum(len(item.data) for item in items if isinstance(item, Piece))
        return items

    def leave(self) -> None:
        """Watch no more. Safe to call twice."""
        self._audience.leave(self)

    @property
    def idle(self) -> bool:
        """Whether he has taken all that there was. Hold the audience's lock."""
        return not self._items

    def need_key(self) -> None:
        """Go on with a key frame only. Hold the audience's lock."""
        self._needs_key = True

    def put(self, piece: Piece | None, opening: Opening | None) -> bool:
        """Have *piece* wait for him; true if he needs a key frame. Hold the audience's lock."""
        if piece is None:
            if self._items and self._items[-1] is None:
                return False
            self._items.append(None)
        elif self._audience.kind == "jpeg":
            self.lost += len(self._items)
            self._items.clear()
            self._bytes = len(piece.data)
            self._items.append(piece)
        elif self._needs_key and not piece.key:
            return False
        elif len(self._items) >= _MOST_WAITING or self._bytes > _MOST_BYTES:
            self.lost += len(self._items)
            self._items.clear()
            self._bytes = 0
            self._needs_key, self._opening = True, None
            return True
        else:
            self._needs_key = False
            if opening is not self._opening:
                self._opening = opening
                self._items.append(opening)
            self._items.append(piece)
            self._bytes += len(piece.data)
        self._wake()
        return False


class Audience(Uncopyable):
    """Those who watch one layout of a stream in one kind of picture. Thread-safe."""

    def __init__(
        self,
        layout: LayoutConfig,
        kind: Kind,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.layout = layout
        self.key = layout_key(layout)
        self.kind = kind
        self.lock = threading.Lock()
        self._changed = changed
        self._viewers: tuple[Viewer, ...] = ()
        self._opening: Opening | None = None
        self._key_wanted = False
        self._clock = clock
        self._key_due_s = 0.0

    @property
    def viewers(self) -> int:
        """How many there are."""
        return len(self._viewers)

    @property
    def eager(self) -> bool:
        """Whether any of them has taken all that there was."""
        with self.lock:
            return any(viewer.idle for viewer in self._viewers)

    def join(self, wake: Callable[[], None]) -> Viewer:
        """One more viewer, who begins with the next key frame; see `View.join`."""
        viewer = Viewer(self, wake)
        with self.lock:
            self._viewers = (*self._viewers, viewer)
            self._key_wanted = True
        self._changed()
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """One fewer."""
        with self.lock:
            self._viewers = tuple(one for one in self._viewers if one is not viewer)
        self._changed()

    def begin(self, opening: Opening) -> None:
        """The pieces from now on need *opening*: all wait for the next key frame."""
        with self.lock:
            self._opening = opening
            for viewer in self._viewers:
                viewer.need_key()
            self._key_wanted |= bool(self._viewers)

    def put(self, piece: Piece | None) -> None:
        """Hand *piece* to all; None: there is no picture for now."""
        with self.lock:
            wanting = [viewer.put(piece, self._opening) for viewer in self._viewers]
            self._key_wanted |= any(wanting)

    def take_key_request(self) -> bool:
        """
        Whether somebody waits for a key frame; true once for each request.

        Those who come and go, or are too slow, get one together, four times a second at most: key
        frames cost all the others.
        """
        with self.lock:
            now_s = self._clock()
            if not self._key_wanted or now_s < self._key_due_s:
                return False
            self._key_wanted, self._key_due_s = False, now_s + _KEY_PAUSE_S
            return True


class View(Uncopyable):
    """
    One stream, for those who watch it; goes on while its runs come and go. Thread-safe.

    Attributes:
        watched: the audiences that have viewers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._audiences: dict[tuple[str, Kind], Audience] = {}
        self._stills: list[Future[bytes]] = []
        self._relayed: tuple[tuple[str, object], ...] = ()
        self.watched: tuple[Audience, ...] = ()

    @property
    def viewers(self) -> int:
        """How many watch it."""
        return sum(audience.viewers for audience in self.watched)

    def join(self, layout: LayoutConfig, kind: Kind, wake: Callable[[], None]) -> Viewer:
        """
        Watch from the next key frame on.

        Args:
            layout: of the picture.
            kind: of what is delivered.
            wake: called, by any thread, when something waits; must not wait.

        Raises:
            TooManyViewers: there are as many as there may be.
        """
        with self._lock:
            if self.viewers >= MOST_VIEWERS:
                raise TooManyViewers(f"it has {MOST_VIEWERS} viewers already")
            audience = self._audience(layout, kind)
        return audience.join(wake)

    def audience(self, layout: LayoutConfig, kind: Kind) -> Audience:
        """Those who watch *layout*, and those who will."""
        with self._lock:
            return self._audience(layout, kind)

    def pause(self) -> None:
        """Tell all viewers that there is no picture for now."""
        for audience in self.watched:
            audience.put(None)

    def relay(self, key: str, by: object) -> None:
        """
        *by* encodes a layout for others, and hands it to viewers here if it is the first.

        Args:
            key: of the layout, see `layout_key`.
            by: who does.
        """
        with self._lock:
            self._relayed = (*self._relayed, (key, by))

    def relay_no_more(self, key: str, by: object) -> None:
        """End what `relay` began. Safe to call twice."""
        with self._lock:
            self._relayed = tuple(one for one in self._relayed if one != (key, by))

    def relayed_by(self, key: str) -> object | None:
        """Who hands the MP4 of a layout to viewers, if somebody encodes it for others."""
        return next((by for relayed, by in self._relayed if relayed == key), None)

    def still(self) -> Future[bytes]:
        """The cutout of the next frame, as PNG with alpha; done by a sink, or cancelled by you."""
        future = Future[bytes]()
        with self._lock:
            self._stills = [still for still in self._stills if not still.cancelled()]
            self._stills.append(future)
        return future

    def take_stills(self) -> list[Future[bytes]]:
        """The pictures that are wanted; whoever takes them fulfils them."""
        if not self._stills:
            return []
        with self._lock:
            stills, self._stills = self._stills, []
        return [still for still in stills if still.set_running_or_notify_cancel()]

    def _audience(self, layout: LayoutConfig, kind: Kind) -> Audience:
        key = layout_key(layout), kind
        audience = self._audiences.get(key)
        if audience is None:
            audience = self._audiences[key] = Audience(layout, kind, self._count)
        return audience

    def _count(self) -> None:
        with self._lock:
            self.watched = tuple(one for one in self._audiences.values() if one.viewers)


class Views(Uncopyable):
    """The views of a process's streams, by name. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._views: dict[str, View] = {}

    def of(self, stream: str) -> View:
        """The view of *stream*, whether or not it runs."""
        with self._lock:
            return self._views.setdefault(stream, View())

    def forget(self, stream: str) -> None:
        """Drop the view of a stream that is gone; who watches it still has it."""
        with self._lock:
            self._views.pop(stream, None)


def layout_key(layout: LayoutConfig) -> str:
    """What tells layouts apart; sinks are layouts too, and have more fields."""
    return layout.model_dump_json(include=set(LayoutConfig.model_fields))
