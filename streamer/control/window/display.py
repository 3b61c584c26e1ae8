"""
A window on the screen, and its keys. Everything here belongs to the main thread, as window
libraries demand.

The keys are in `keys`; what they ask of the stream goes through a `Remote`. Closing the window
quits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from streamer.compositing import Composer
from streamer.config import DisplaySinkConfig, Layout, Settings
from streamer.control.window.drawing import RegionDrawing
from streamer.control.window.keys import (
    BACKSPACE,
    ENTER,
    ESCAPE,
    KEYS,
    Action,
    action_of,
    character_of,
)
from streamer.control.window.notes import Notice, Rate, draw_help, draw_notice, draw_rate, roomy
from streamer.control.window.remote import Remote
from streamer.control.window.screen import (
    asked_screen,
    prepare_windows,
    screen_size,
    window_problem,
)
from streamer.control.window.snapshots import Snapshots
from streamer.controls import Controls
from streamer.core.home import expanded
from streamer.errors import SinkError, StopRequested
from streamer.frame import Alpha, Frame, Image, Matte, StreamInfo
from streamer.sinks.making import Making

__all__ = ["DisplaySink", "window_problem"]

_log = logging.getLogger(__name__)

_SCREEN_SHARE = 0.9
"""Largest share of the screen for a picture: window frame and desktop bars need room too."""
_HOW_TO_DRAW = "drag regions: Enter takes them, Backspace clears all, Esc leaves it"


_VIEWS: tuple[Layout, ...] = (
    "side_by_side",
    "cutout",
    "composite",
    "mask",
    "overlay",
    "source",
)


def make(config: DisplaySinkConfig, making: Making) -> DisplaySink:
    """The sink that *config* asks for; see `Making`."""
    return DisplaySink(
        [making.own_composer(view) for view in (config, *_next_views(config))],
        title=config.title,
        overlay=config.overlay,
        snapshots=expanded(config.snapshots),
    )


def _next_views(config: DisplaySinkConfig) -> list[Layout]:
    """The layouts that the key m shows after the configured one, in turn."""
    first = _VIEWS.index(config.layout) + 1 if config.layout in _VIEWS else 0
    return [*_VIEWS[first:], *_VIEWS[: max(first - 1, 0)]]


class DisplaySink:
    """
    Shows the picture of each frame.

    Args:
        views: one composer for each view that `m` goes through; pictures in BGR.
        title: of the window.
        overlay: begin with frames per second and latency in the corner.
        snapshots: folder for snapshots and settings, made at the first.
        clock: the wall clock in UTC, for snapshots' names.

    A frame that comes while `paused` is not shown: the last picture stays.
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
        self._snapshots = Snapshots(snapshots, clock)
        self._remote: Remote | None = None
        self._notice = Notice()
        self._noticed = ""
        self._helps = False
        self._drawing: RegionDrawing | None = None
        self._canvas: Image = np.empty((0, 0, 3), np.uint8)
        self._stale = False
        self._image: Image = np.empty((0, 0, 3), np.uint8)
        self._alpha: Alpha = np.empty((0, 0), np.uint8)
        self._settings: Settings | None = None
        self._is_card = False
        self._pts_s = 0.0
        self._latency_ms = 0.0
        self._rate = Rate()
        self._picture_shape: tuple[int, ...] = ()
        self._is_open = False
        self._paused = False
        self._frames = 0

    @property
    def paused(self) -> bool:
        """Whether a key holds the picture; it ends when the stream resumes, whoever resumes it."""
        return self._paused and (self._remote is None or self._remote.paused)

    def control(self, controls: Controls) -> None:
        """Let the keys steer *controls* too; before `open`."""
        self._remote = Remote(controls, self._folder, self._notice.say)

    def open(self, info: StreamInfo) -> None:
        """
        Open the window.

        Raises:
            SinkError: there is no screen, or this is not the main thread; within a second.
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
                cv2.setMouseCallback(self._title, self._mouse)
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
        if self.paused and self._image.size:
            self.pump()
            return
        self._hold(frame, matte)
        now_ns = time.monotonic_ns()
        self._rate.count(now_ns)
        self._latency_ms = (now_ns - frame.stamp.captured_ns) / 1e6
        self._show()
        self._frames += 1
        self.pump()

    def pump(self) -> None:
        """
        Serve the window's events; takes about a millisecond.

        Raises:
            StopRequested: the window was closed, or q or Esc was pressed.
        """
        character = character_of(cv2.pollKey())
        if not self._is_visible():
            raise StopRequested("the window was closed")
        if character is not None:
            self._press(character)
        if self._stale or self._noticed != self._notice.text:
            self._show()

    def close(self) -> None:
        """Close the window. Safe to call twice."""
        for view in self._views:
            view.close()
        if not self._is_open:
            return
        self._is_open = False
        with suppress(cv2.error):
            cv2.destroyWindow(self._title)
            cv2.pollKey()

    def statistics(self) -> dict[str, Any]:
        """`{type, frames, snapshots}`. Thread-safe."""
        return {"type": self.name, "frames": self._frames, "snapshots": self._snapshots.saved}

    def _hold(self, frame: Frame, matte: Matte) -> None:
        if self._image.shape != frame.image.shape:
            self._image = np.empty_like(frame.image)
            self._alpha = np.empty_like(matte.alpha)
            if self._drawing is not None:
                self._drawing = None
                self._notice.say("the pictures have another size now: no regions drawn")
        np.copyto(self._image, frame.image)
        np.copyto(self._alpha, matte.alpha)
        self._settings = frame.settings
        self._is_card = matte.is_card
        self._pts_s = frame.stamp.pts_s

    def _show(self) -> None:
        """Show the latest frame in the current view, with the texts on it."""
        self._stale = False
        if not self._image.size:
            return
        picture = self._composed() if self._drawing is None else self._drawn(self._drawing)
        if self._helps:
            picture = roomy(picture)
        if picture.shape != self._picture_shape:
            self._picture_shape = picture.shape
            self._resize(picture.shape[1], picture.shape[0])
        self._write_on(picture)
        if not self._is_visible():
            raise StopRequested("the window was closed")
        try:
            cv2.imshow(self._title, picture)
        except cv2.error as error:
            raise SinkError(f"display: the picture cannot be shown: {error.err}") from error

    def _composed(self) -> Image:
        """The latest frame in the current view; while paused, drawn by the present settings."""
        held = self._remote is not None and self._is_held()
        settings = self._remote.settings if self._remote and held else self._settings
        return self._views[self._view].compose(
            self._image, self._alpha, settings, card=self._is_card, pts_s=self._pts_s
        )

    def _drawn(self, drawing: RegionDrawing) -> Image:
        """The latest frame as it is, with the regions on it."""
        if self._canvas.shape != self._image.shape:
            self._canvas = np.empty_like(self._image)
        np.copyto(self._canvas, self._image)
        drawing.draw(self._canvas)
        return self._canvas

    def _write_on(self, picture: Image) -> None:
        if self._helps:
            draw_help(picture, [(key.label, key.what) for key in KEYS])
        elif self._overlay:
            pace = "" if self._remote is None else self._remote.pace
            running = f"{self._rate.fps:.1f} fps  {self._latency_ms:.0f} ms  {pace}".rstrip()
            draw_rate(picture, "paused" if self._is_held() else running)
        self._noticed = self._notice.text
        if text := self._noticed or (_HOW_TO_DRAW if self._drawing is not None else ""):
            draw_notice(picture, text)

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

    def _press(self, character: str) -> None:
        if self._drawing is not None and character != "q":
            self._press_while_drawing(self._drawing, character)
            return
        action = action_of(character)
        match action:
            case None:
                return
            case "quit":
                raise StopRequested("a key asked for the end")
            case "hold":
                self._pause(not self._is_held())
            case "view":
                self._view = (self._view + 1) % len(self._views)
            case "rate":
                self._overlay = not self._overlay
            case "help":
                self._helps = not self._helps
            case "snapshot":
                self._save()
            case _:
                self._steer(action)
        self._stale = True

    def _steer(self, action: Action) -> None:
        """Carry out *action* on the stream, and show its result."""
        remote = self._remote
        if remote is None:
            self._notice.say("there is no stream to steer")
        elif action == "draw":
            self._begin_drawing(remote)
        else:
            said = remote.do(action)
            self._notice.say(said)
            if action == "background":
                self._show_a_composite()
            elif action == "save":
                _log.info("%s", said)

    def _is_held(self) -> bool:
        return self._paused if self._remote is None else self._remote.paused

    def _pause(self, paused: bool) -> None:
        self._paused = paused
        if self._remote is not None:
            self._remote.pause(paused)
        self._rate.clear()
        self._notice.say("paused" if paused else "going on")

    def _show_a_composite(self) -> None:
        """Go on to the next view that has a background, where this one has none."""
        order = [*range(self._view, len(self._views)), *range(self._view)]
        self._view = next((n for n in order if "composite" in self._views[n].panels), self._view)

    def _begin_drawing(self, remote: Remote) -> None:
        if remote.crops:
            self._notice.say("no regions: the frames are cropped: preprocess.output")
        elif self._image.size:
            height, width = self._alpha.shape
            self._drawing = RegionDrawing((width, height), remote.regions)
            self._helps = False
            self._notice.say("")

    def _press_while_drawing(self, drawing: RegionDrawing, character: str) -> None:
        if character == BACKSPACE:
            drawing.clear()
        elif character in (ENTER, "r"):
            self._drawing = None
            if self._remote is not None:
                said = self._remote.look_at(drawing.regions)
                self._notice.say(said)
                _log.info("%s", said)
        elif character == ESCAPE:
            self._drawing = None
        self._stale = True

    def _mouse(self, event: int, x: int, y: int, flags: int, _: object) -> None:
        """Called by the window library, in `pump`; *x* and *y* are pixels of the shown picture."""
        drawing = self._drawing
        if drawing is None:
            return
        if event == cv2.EVENT_LBUTTONDOWN:
            drawing.press(x, y)
        elif event == cv2.EVENT_MOUSEMOVE:
            drawing.move(x, y)
        elif event == cv2.EVENT_LBUTTONUP:
            drawing.let_go(x, y)
        self._stale = True

    def _save(self) -> None:
        """Save the shown view without the texts on it; a failure is logged, not raised."""
        if not self._image.size:
            said = "no snapshot: no frame has come yet"
            _log.warning("%s", said)
        else:
            said = self._snapshots.save(self._composed())
        self._notice.say(said)
