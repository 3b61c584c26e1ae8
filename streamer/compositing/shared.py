"""Pictures that several sinks show alike: each is drawn once, by the sink that asks first."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np

from streamer.compositing.backdrops import OpenVideo
from streamer.compositing.composer import Composer, Pixels
from streamer.compositing.layers import Picture
from streamer.config import LayoutConfig, Settings
from streamer.core.metrics import LatencyHistogram
from streamer.frame import Frame, Matte

_KEPT = 2
"""The latest pictures, for sinks that have not asked for them yet."""


class SinkComposer(Protocol):
    """What a sink needs of a composer: a `Composer` of its own, or a share in one."""

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) in pixels of the picture for a frame of that size."""
        ...

    def picture_of(self, frame: Frame, matte: Matte) -> Picture:
        """
        The picture of *frame*, whose matte is *matte*; both are borrowed.

        Returns:
            uint8: (H, W, 3) BGR, (H, W, 4) BGRA with straight alpha, or (H, W), as the composer was
            made. It is valid until the next call, and must not be written on.

        Raises:
            ValueError: the share in a composer is closed.
        """
        ...

    def close(self) -> None:
        """Release the file of a background that moves. Safe to call twice."""
        ...


class SharedPictures:
    """The pictures of one stream, by layout; one composer draws those of each. Thread-safe."""

    def __init__(self) -> None:
        self._layouts: dict[tuple[str, Pixels], _Layout] = {}
        self._lock = threading.Lock()

    def composer(
        self,
        layout: LayoutConfig,
        settings: Settings,
        *,
        pixels: Pixels,
        latency: LatencyHistogram | None = None,
        open_video: OpenVideo | None = None,
    ) -> SinkComposer:
        """
        Make a share for a sink whose frames have settings; see `Composer` for arguments and errors.

        *latency* gets the pictures that are drawn at this sink's request. All are read-only.
        """
        fields = set(LayoutConfig.model_fields)
        key = layout.model_dump_json(include=fields), pixels
        with self._lock:
            shared = self._layouts.setdefault(key, _Layout())
        make = partial(_Drawing, layout, settings, pixels=pixels, open_video=open_video)
        return _Share(shared, make, latency)


class _Share:
    """One sink's share in the composer of a layout. For one thread at a time."""

    def __init__(
        self, layout: _Layout, make: Callable[[], _Drawing], latency: LatencyHistogram | None
    ) -> None:
        self._layout = layout
        self._latency = latency
        self.held: Picture | None = None
        """The picture that the sink got last; guarded by the layout."""
        self._composer = layout.join(self, make)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """See `SinkComposer`."""
        return self._composer.size(width, height)

    def picture_of(self, frame: Frame, matte: Matte) -> Picture:
        """See `SinkComposer`."""
        picture = self._layout.picture(self, frame, matte, self._latency)[:]
        picture.flags.writeable = False
        return picture

    def close(self) -> None:
        """See `SinkComposer`."""
        self._layout.leave(self)


class _Drawing(Composer):
    """Draws pictures that are shared. For one thread at a time."""

    _newest_s = 0.0

    def draw(self, frame: Frame, matte: Matte, spare: Picture | None) -> Picture:
        """
        Return the picture of *frame*, which is the caller's from now on.

        A frame that is older than one before has the background of that: a video is not rewound.
        *spare* may be drawn on.
        """
        if spare is not None and spare.shape == self._picture.shape:
            self._picture = spare
        elif self._picture.size:
            self._picture = np.empty_like(self._picture)
        self._newest_s = max(self._newest_s, frame.stamp.pts_s)
        return self.compose(
            frame.image, matte.alpha, frame.settings, card=matte.is_card, pts_s=self._newest_s
        )


class _Layout:
    """The latest pictures of one layout, and who has them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._composer: _Drawing | None = None
        self._shares: set[_Share] = set()
        self._pictures: deque[tuple[int, Picture]] = deque()
        """By their frame's index."""
        self._spare: list[Picture] = []

    def join(self, share: _Share, make: Callable[[], _Drawing]) -> _Drawing:
        """Add a share; *make* makes the composer for the first. Raises what that raises."""
        with self._lock:
            if self._composer is None:
                self._composer = make()
            self._shares.add(share)
            return self._composer

    def leave(self, share: _Share) -> None:
        """Remove a share; the last one closes the composer. Safe to call twice."""
        with self._lock:
            self._shares.discard(share)
            share.held = None
            self._spare.clear()
            if not self._shares and self._composer is not None:
                self._composer.close()
                self._composer = None
                self._pictures.clear()

    def picture(
        self, share: _Share, frame: Frame, matte: Matte, latency: LatencyHistogram | None
    ) -> Picture:
        """
        The picture of *frame*, which stays as it is until *share* asks again.

        Raises:
            ValueError: the share is closed.
        """
        with self._lock:
            if share not in self._shares or self._composer is None:
                raise ValueError("a composer that is closed draws no more")
            held, share.held = share.held, None
            self._recycle(held)
            index = frame.stamp.index
            picture = next((drawn for known, drawn in self._pictures if known == index), None)
            if picture is None:
                started_ns = time.monotonic_ns()
                spare = self._spare.pop() if self._spare else None
                picture = self._composer.draw(frame, matte, spare)
                if latency is not None:
                    latency.record(time.monotonic_ns() - started_ns)
                self._keep(index, picture)
            share.held = picture
            return picture

    def _keep(self, index: int, picture: Picture) -> None:
        """Keep a new picture for the others, unless it is late or there are none."""
        if len(self._shares) == 1 or (self._pictures and index < self._pictures[-1][0]):
            return
        self._pictures.append((index, picture))
        if len(self._pictures) > _KEPT:
            self._recycle(self._pictures.popleft()[1])

    def _recycle(self, picture: Picture | None) -> None:
        """Have *picture* drawn on again, unless somebody has it."""
        kept = [drawn for _, drawn in self._pictures]
        held = [share.held for share in self._shares]
        if picture is not None and not any(picture is used for used in (*kept, *held)):
            self._spare.append(picture)
