"""
A window on the screen. Everything here belongs to the main thread, as window libraries demand.

Keys: q or Esc quits, space pauses, m shows the next view, s saves a snapshot, h toggles the
overlay. Closing the window quits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from streamer.compositing import Composer
from streamer.errors import SinkError, StopRequested
from streamer.frame import Alpha, Frame, Image, Matte, StreamInfo
from streamer.sinks.paths import make_folder
from streamer.sinks.picture import write_picture
from streamer.sinks.screen import asked_screen, prepare_windows, screen_size, window_problem

__all__ = ["DisplaySink", "window_problem"]

_log = logging.getLogger(__name__)

_SCREEN_SHARE = 0.9
"""How much of the screen a window takes at most, for its frame and the desktop's bars."""
_FPS_FRAMES = 30
"""Frames that the rate in the overlay is measured over."""


class DisplaySink:
    """
    Shows the picture of each frame.

    Args:
        views: what `m` goes through, beginning with the first.
        title: of the window.
        overlay: begin with frames per second and latency in the corner.
        snapshots: folder for snapshots, made at the first.
        clock: the wall clock in UTC, for snapshots' names.

    A frame that is handed over while `paused` is not shown: the picture is held.
    """

    name = "display"

    def __init__(
        self,
        views: Sequence[Composer],
        *,
        title: str = "streamer",
        overlay: bool = True,
        snapshots: Path = Path("out"),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._views = tuple(views)
        self._view = 0
        self._title = title
        self._overlay = overlay
        self._folder = snapshots
        self._clock = clock
        self._image: Image = np.empty((0, 0, 3), np.uint8)
        self._alpha: Alpha = np.empty((0, 0), np.uint8)
        self._is_card = False
        self._latency_ms = 0.0
        self._shown_ns: deque[int] = deque(maxlen=_FPS_FRAMES)
        self._picture_shape: tuple[int, ...] = ()
        self._is_open = False
        self._paused = False
        self._frames = 0
        self._snapshots = 0

    @property
    def paused(self) -> bool:
        """The picture is held."""
        return self._paused

    def open(self, info: StreamInfo) -> None:
        """
        Open the window.

        Raises:
            SinkError: there is no screen, or this is not the main thread. Within a second.
        """
        if threading.current_thread() is not threading.main_thread():
            raise SinkError("display: a window belongs to the main thread: open it there")
        with asked_screen() as problem:
            if problem is not None:
                raise SinkError(f"display: {problem}")
            prepare_windows()
            try:
                cv2.namedWindow(
                    self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
                )
            except cv2.error as error:
                raise SinkError(f"display: no window can be opened: {error.err}") from error
        self._is_open = True
        self._resize(*self._views[0].size(info.width, info.height))

    def write(self, frame: Frame, matte: Matte) -> None:
        """
        Show one frame and serve the window; both are borrowed until this returns.

        Raises:
            SinkError: it could not be shown.
            StopRequested: as `pump`.
        """
        if self._paused and self._image.size:
            self.pump()
            return
        self._hold(frame, matte)
        now_ns = time.monotonic_ns()
        self._shown_ns.append(now_ns)
        self._latency_ms = (now_ns - frame.stamp.captured_ns) / 1e6
        self._show()
        self._frames += 1
        self.pump()

    def pump(self) -> None:
        """
        Serve the window's events; about a millisecond.

        Raises:
            StopRequested: the window was closed, or q or Esc was pressed.
        """
        key = cv2.pollKey()
        if not self._is_visible():
            raise StopRequested("the window was closed")
        if key >= 0:
            self._press(key & 0xFF)

    def close(self) -> None:
        """Close the window. Twice is once."""
        if not self._is_open:
            return
        self._is_open = False
        with suppress(cv2.error):
            cv2.destroyWindow(self._title)
            cv2.pollKey()

    def statistics(self) -> dict[str, Any]:
        """`{type, frames, snapshots}`. Thread-safe."""
        return {"type": self.name, "frames": self._frames, "snapshots": self._snapshots}

    def _hold(self, frame: Frame, matte: Matte) -> None:
        if self._image.shape != frame.image.shape:
            self._image = np.empty_like(frame.image)
            self._alpha = np.empty_like(matte.alpha)
        np.copyto(self._image, frame.image)
        np.copyto(self._alpha, matte.alpha)
        self._is_card = matte.is_card

    def _show(self) -> None:
        """Draw the held frame in the current view."""
        if not self._image.size:
            return
        picture = self._composed()
        if picture.shape != self._picture_shape:
            self._picture_shape = picture.shape
            self._resize(picture.shape[1], picture.shape[0])
        if self._overlay:
            self._draw_overlay(picture)
        if not self._is_visible():
            raise StopRequested("the window was closed")
        try:
            cv2.imshow(self._title, picture)
        except cv2.error as error:
            raise SinkError(f"display: the picture cannot be shown: {error.err}") from error

    def _composed(self) -> Image:
        """The held frame in the current view."""
        return self._views[self._view].compose(self._image, self._alpha, card=self._is_card)

    def _draw_overlay(self, picture: Image) -> None:
        scale = max(0.5, picture.shape[0] / 720)
        origin = (int(10 * scale), int(26 * scale))
        text = f"{self._fps():.1f} fps  {self._latency_ms:.0f} ms"
        for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            cv2.putText(
                picture,
                text,
                origin,
                cv2.FONT_HERSHEY_SIMPLEX,
                0.7 * scale,
                colour,
                max(1, round(thickness * scale)),
                cv2.LINE_AA,
            )

    def _fps(self) -> float:
        if len(self._shown_ns) < 2:
            return 0.0
        return (len(self._shown_ns) - 1) * 1e9 / max(self._shown_ns[-1] - self._shown_ns[0], 1)

    def _is_visible(self) -> bool:
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:
            return False

    def _resize(self, width: int, height: int) -> None:
        """Give the window the picture's size, or as much of it as fits the screen."""
        screen_width, screen_height = screen_size() or (1280, 800)
        share = min(
            1.0, screen_width * _SCREEN_SHARE / width, screen_height * _SCREEN_SHARE / height
        )
        with suppress(cv2.error):
            cv2.resizeWindow(
                self._title, max(1, round(width * share)), max(1, round(height * share))
            )

    def _press(self, key: int) -> None:
        match key:
            case 27 | 113:  # Esc, q
                raise StopRequested("a key asked for the end")
            case 32:  # space
                self._paused = not self._paused
                self._shown_ns.clear()
            case 109:  # m
                self._view = (self._view + 1) % len(self._views)
                self._show()
            case 104:  # h
                self._overlay = not self._overlay
                self._show()
            case 115:  # s
                self._save()

    def _save(self) -> None:
        """Save the shown view without its overlay; a failure is logged and the stream goes on."""
        if not self._image.size:
            _log.warning("no snapshot: no frame has come yet")
            return
        path = self._folder / f"snapshot-{self._clock():%Y%m%d-%H%M%S-%f}.png"
        picture = self._composed()
        try:
            make_folder(self._folder)
            write_picture(path, picture, overwrite=False)
        except (SinkError, FileExistsError) as error:
            _log.warning("no snapshot: %s", error)
            return
        self._snapshots += 1
        _log.info("snapshot: %s", path)
