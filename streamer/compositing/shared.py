"""Pictures that several sinks share: each is drawn once, by the sink that asks first."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from streamer.compositing.backdrops import OpenVideo
from streamer.compositing.composer import Composer, Pixels
from streamer.compositing.layers import Picture
from streamer.config import LayoutConfig, Settings
from streamer.core.metrics import LatencyHistogram
from streamer.frame import Frame, Matte

_KEPT = 2
"""Number of the latest pictures that are kept for sinks that lag."""


class SharedPictures:
    """
    The latest pictures of one stream, by layout. Thread-safe.

    A sink that lags further behind draws with its own composer: a composer that went back to an
    earlier frame would rewind the video of a background.
    """

    def __init__(self) -> None:
        self._layouts: dict[tuple[str, Pixels], _Latest] = {}
        self._lock = threading.Lock()

    def composer(
        self,
        layout: LayoutConfig,
        settings: Settings,
        *,
        pixels: Pixels,
        latency: LatencyHistogram | None = None,
        open_video: OpenVideo | None = None,
    ) -> Composer:
        """
        A composer for a sink whose frames have settings; see `Composer` for arguments, errors.

        The pictures of its `picture_of` are read-only: other sinks share them.
        """
        fields = set(LayoutConfig.model_fields)
        key = layout.model_dump_json(include=fields), pixels
        with self._lock:
            latest = self._layouts.setdefault(key, _Latest())
        return _SharingComposer(
            latest, layout, settings, pixels=pixels, latency=latency, open_video=open_video
        )


class _SharingComposer(Composer):
    """One of several composers of one layout. For one thread, as every composer."""

    def __init__(
        self,
        latest: _Latest,
        layout: LayoutConfig,
        settings: Settings,
        *,
        pixels: Pixels,
        latency: LatencyHistogram | None,
        open_video: OpenVideo | None,
    ) -> None:
        super().__init__(layout, settings, pixels=pixels, latency=latency, open_video=open_video)
        self._latest = latest
        latest.join(self)

    def picture_of(self, frame: Frame, matte: Matte) -> Picture:
        """The picture of *frame*, read-only; another composer may have drawn it."""
        picture = self._latest.picture(self, frame, matte)[:]
        picture.flags.writeable = False
        return picture

    def draw(self, frame: Frame, matte: Matte, spare: Picture | None) -> Picture:
        """Draw *frame* on *spare* if it fits, else on a new array; the caller owns the picture."""
        if spare is not None and spare.shape == self._picture.shape:
            self._picture = spare
        elif self._picture.size:
            self._picture = np.empty_like(self._picture)
        return super().picture_of(frame, matte)

    def close(self) -> None:
        self._latest.leave(self)
        super().close()


class _Latest:
    """The latest pictures of one layout, and who has them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pictures: deque[tuple[int, Picture]] = deque()
        """By their frame's index."""
        self._held: dict[_SharingComposer, Picture | None] = {}
        """The picture that each composer returned last."""
        self._spare: list[Picture] = []

    def join(self, composer: _SharingComposer) -> None:
        """Add *composer* to those that share."""
        with self._lock:
            self._held[composer] = None

    def leave(self, composer: _SharingComposer) -> None:
        """Remove *composer* from them. Safe to call twice."""
        with self._lock:
            self._held.pop(composer, None)
            self._spare.clear()
            if not self._held:
                self._pictures.clear()

    def picture(self, composer: _SharingComposer, frame: Frame, matte: Matte) -> Picture:
        """The picture of *frame*, which stays as it is until *composer* asks again."""
        with self._lock:
            self._give_back(composer)
            index = frame.stamp.index
            picture = next((drawn for known, drawn in self._pictures if known == index), None)
            if picture is None:
                picture = composer.draw(frame, matte, self._spare.pop() if self._spare else None)
                alone = len(self._held) == 1
                late = bool(self._pictures) and index < self._pictures[-1][0]
                if not alone and not late:
                    self._keep(index, picture)
            self._held[composer] = picture
            return picture

    def _keep(self, index: int, picture: Picture) -> None:
        self._pictures.append((index, picture))
        if len(self._pictures) > _KEPT:
            self._recycle(self._pictures.popleft()[1])

    def _give_back(self, composer: _SharingComposer) -> None:
        picture, self._held[composer] = self._held[composer], None
        if picture is not None:
            self._recycle(picture)

    def _recycle(self, picture: Picture) -> None:
        """Let *picture* be overwritten, unless somebody still has it."""
        kept = [drawn for _, drawn in self._pictures]
        held = [drawn for drawn in self._held.values() if drawn is not None]
        if not any(picture is used for used in (*kept, *held)):
            self._spare.append(picture)
