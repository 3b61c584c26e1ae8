"""Carries out what the window's keys ask of the stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args

from streamer.config import (
    BackgroundConfig,
    BlurBackgroundConfig,
    ColourBackgroundConfig,
    DimBackgroundConfig,
    PictureOrder,
    PixelateBackgroundConfig,
    RefineConfig,
    Region,
    Settings,
    limits_of,
)
from streamer.control.window.keys import Action
from streamer.controls import Applied, Controls, MattingMode
from streamer.errors import StreamerError

T = TypeVar("T")

_MODES: tuple[MattingMode, ...] = get_args(MattingMode)
_COLOURS = ("black", "white", "green")
_SPEEDS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0)
_SIZES: tuple[tuple[int | None, int | None], ...] = ((1920, 1080), (1280, 720), (640, 480))
_LIMITS = (None, 30.0, 15.0, 5.0)
_ORDERS: tuple[PictureOrder, ...] = get_args(PictureOrder)
_THRESHOLD_STEP = 0.05


class Remote:
    """
    Turns actions into calls of *controls*, and returns the result of each as one line.

    Args:
        controls: the stream.
        folder: where settings are written.
        say: called with the result of a switch once it is known, by another thread.

    For one thread, the window's.
    """

    def __init__(self, controls: Controls, folder: Path, say: Callable[[str], None]) -> None:
        self._controls = controls
        self._folder = folder
        self._say = say
        self._refused: str | None = None
        """The model that the key asked for last, where it could not be loaded."""
        self._backgrounds = _backgrounds(controls.settings.compose.background)
        self._actions: dict[Action, Callable[[], str]] = {
            "background": self._next_background,
            "threshold_down": partial(self._move_threshold, -_THRESHOLD_STEP),
            "threshold_up": partial(self._move_threshold, _THRESHOLD_STEP),
            "feather_down": partial(self._move_feather, -1),
            "feather_up": partial(self._move_feather, 1),
            "mode": self._next_mode,
            "model": self._next_model,
            "record": self._toggle_recording,
            "trigger": self._trigger,
            "slower": partial(self._move_speed, -1),
            "faster": partial(self._move_speed, 1),
            "camera": self._toggle_camera,
            "next_camera": self._next_camera,
            "size": self._next_size,
            "limit": self._next_limit,
            "order": self._next_order,
            "loop": self._toggle_loop,
            "save": self._save,
        }

    @property
    def pace(self) -> str:
        """How frames are left out to stay in time; see `Controls.pace`."""
        return self._controls.pace

    def do(self, action: Action) -> str:
        """Carry out *action*, none of the window's own; return the result, or why it failed."""
        try:
            return self._actions[action]()
        except StreamerError as error:
            return str(error)

    @property
    def paused(self) -> bool:
        """Whether the stream is paused."""
        return self._controls.paused

    def pause(self, paused: bool) -> None:
        """Pause the stream, or resume it."""
        if paused:
            self._controls.pause()
        else:
            self._controls.resume()

    @property
    def crops(self) -> bool:
        """Whether frames are cropped at the source; see `Controls.crops`."""
        return self._controls.crops

    @property
    def settings(self) -> Settings:
        """The live settings; see `Controls.settings`."""
        return self._controls.settings

    @property
    def regions(self) -> Sequence[Region]:
        """The regions that the model sees; none where it sees the whole frame."""
        return self._controls.settings.preprocess.regions

    def look_at(self, regions: Sequence[Region]) -> str:
        """Let the model see *regions* only, or all if empty; return the line of YAML for that."""
        roi = list(regions) or None
        written = ", ".join(f"[{', '.join(f'{n:g}' for n in region)}]" for region in regions)
        said = f"preprocess: {{roi: {f'[{written}]' if roi else 'null'}}}"
        return self._change("preprocess.roi", roi, said)

    def _change(self, key: str, value: object, said: str) -> str:
        """Set *key* to *value*; return *said*, or why it is refused."""
        answer = self._controls.apply({key: value})
        return said if isinstance(answer, Applied) else answer.why

    def _next_background(self) -> str:
        shown = self._controls.settings.compose.background
        known = shown in self._backgrounds
        number = self._backgrounds.index(shown) + 1 if known else 0
        background = self._backgrounds[number % len(self._backgrounds)]
        return self._change("compose.background", background, f"background: {_named(background)}")

    def _move_threshold(self, step: float) -> str:
        _, most = limits_of(RefineConfig, "threshold")
        wanted = self._controls.settings.refine.threshold + step
        threshold = round(min(max(wanted, _THRESHOLD_STEP), most), 2)
        return self._change("refine.threshold", threshold, f"threshold: {threshold:g}")

    def _move_feather(self, step: float) -> str:
        refine = self._controls.settings.refine
        least, most = limits_of(RefineConfig, "feather_px")
        feather_px = min(max(refine.feather_px + step, least), most)
        said = f"feather: {feather_px:g} px {refine.feather}"
        return self._change("refine.feather_px", feather_px, said)

    def _next_mode(self) -> str:
        mode = _after(_MODES, self._controls.mode)
        return self._await(self._controls.switch(mode=mode), f"matting: {mode}")

    def _next_model(self) -> str:
        names, running = self._controls.models(), self._controls.model
        model = _after(names, running if self._refused is None else self._refused)
        if model == running:
            model = _after(names, running)
        if model == running:
            return "no other model is on this disk: `streamer models pull` fetches one"
        future = self._controls.switch(model=model)
        future.add_done_callback(partial(self._remember, model))
        return self._await(future, f"model: {model}")

    def _remember(self, model: str, future: Future[Applied]) -> None:
        """Remember *model* if it could not be loaded: the key goes on to the one after it."""
        self._refused = model if future.exception() is not None else None

    def _await(self, future: Future[Applied], what: str) -> str:
        future.add_done_callback(partial(self._tell, what))
        return what if future.done() else f"{what}: loading"

    def _tell(self, what: str, future: Future[Applied]) -> None:
        try:
            future.result()
        except CancelledError:
            return
        except Exception as error:
            self._say(f"{what}: {error}")
        else:
            self._say(what)

    def _toggle_recording(self) -> str:
        on = not self._controls.recording
        self._controls.record(on)
        return f"recording {'on' if on else 'off'}"

    def _trigger(self) -> str:
        if self._controls.trigger():
            return "takes the next picture"
        return "no sink waits for it: add one of type images with when: trigger"

    def _move_speed(self, steps: int) -> str:
        nearest = min(_SPEEDS, key=lambda speed: abs(speed - self._controls.speed))
        number = min(max(_SPEEDS.index(nearest) + steps, 0), len(_SPEEDS) - 1)
        self._controls.set_speed(_SPEEDS[number])
        return f"speed: {_SPEEDS[number]:g}"

    def _toggle_camera(self) -> str:
        if self._controls.released:
            self._controls.acquire()
            return "camera: opening"
        self._controls.release()
        return "camera: released"

    def _next_camera(self) -> str:
        device = getattr(self._controls.source, "device", None)
        if device is None:
            return "the source is no camera"
        others = self._controls.cameras()
        if not others or list(others) == [device]:
            return "there is no other camera"
        device = _after(others, device)
        self._controls.change_source(device=device)
        return f"camera: {device}"

    def _next_size(self) -> str:
        source = self._controls.source
        if not (source.RECONNECTS and hasattr(source, "width") and hasattr(source, "height")):
            return "the source is no camera: its size is its own"
        width, height = _after(_SIZES, (source.width, source.height))
        self._controls.change_source(width=width, height=height)
        return f"size: {width}x{height}"

    def _next_limit(self) -> str:
        source = self._controls.source
        if not (source.RECONNECTS and hasattr(source, "max_fps")):
            return "no limit: the source is no camera and no RTSP stream"
        limit = _after(_LIMITS, source.max_fps)
        self._controls.change_source(max_fps=limit)
        return "no limit of frames" if limit is None else f"at most {limit:g} frames per second"

    def _next_order(self) -> str:
        source = self._controls.source
        if "order" not in source.LIVE_KEYS:
            return "no order: the source is no folder of pictures"
        order = _after(_ORDERS, dict(source)["order"])
        self._controls.change_source(order=order)
        return f"order: {order}"

    def _toggle_loop(self) -> str:
        source = self._controls.source
        if "loop" not in source.LIVE_KEYS:
            return "no loop: the source is no file and no folder"
        loop = not dict(source)["loop"]
        self._controls.change_source(loop=loop)
        return f"loop: {'on' if loop else 'off'}"

    def _save(self) -> str:
        return f"written: {self._controls.save(self._folder)}"


def _backgrounds(configured: BackgroundConfig) -> list[BackgroundConfig]:
    """The backgrounds that the key goes through: the configured one, then the others."""
    others: list[BackgroundConfig] = [
        *(ColourBackgroundConfig(type="colour", colour=name) for name in _COLOURS),
        BlurBackgroundConfig(type="blur"),
        PixelateBackgroundConfig(type="pixelate"),
        DimBackgroundConfig(type="dim"),
    ]
    return [configured, *(other for other in others if other != configured)]


def _named(background: BackgroundConfig) -> str:
    if isinstance(background, ColourBackgroundConfig):
        return background.colour
    path = getattr(background, "path", None)
    return background.type if path is None else f"{background.type} {Path(path).name}"


def _after(names: Sequence[T], name: T) -> T:
    """The one after *name*, from the last to the first again; the first if *name* is unknown."""
    if name not in names:
        return names[0] if names else name
    return names[(names.index(name) + 1) % len(names)]
