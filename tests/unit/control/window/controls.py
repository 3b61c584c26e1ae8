"""A stream to steer that only remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from streamer.config import DEFAULT_SETTINGS, SourceConfig, UsbSourceConfig
from streamer.controls import Applied, MattingMode, Refused
from streamer.errors import CommandRefused


class FakeControls:
    """
    Does what it is asked at once.

    Args:
        on_call: told of each call in words.
        refuses: raised by everything that may raise.
    """

    def __init__(
        self,
        on_call: Callable[[str], object] = lambda call: None,
        *,
        refuses: CommandRefused | None = None,
        names: tuple[str, ...] = ("one", "two"),
    ) -> None:
        self.settings = DEFAULT_SETTINGS
        self.paused = False
        self.speed = 1.0
        self.pace = ""
        self.released = False
        self.recording = False
        self.source: SourceConfig = UsbSourceConfig(type="usb")
        self.crops = False
        self.model = "one"
        self.mode: MattingMode = "every_frame"
        self.waiting = 1
        self.switching: Future[Applied] | None = None
        self._names = names
        self._call = on_call
        self._refuses = refuses

    def apply(self, changes: Mapping[str, object]) -> Applied | Refused:
        if self._refuses is not None:
            key, value = next(iter(changes.items()))
            return Refused(key, value, str(self._refuses))
        for key, value in changes.items():
            section, name = key.split(".")
            changed = getattr(self.settings, section).model_copy(update={name: value})
            self.settings = replace(self.settings, **{section: changed})
        return Applied(1)

    def pause(self) -> None:
        self.paused = True
        self._call("pause")

    def resume(self) -> None:
        self.paused = False
        self._call("resume")

    def set_speed(self, speed: float) -> None:
        self._answer(f"speed {speed:g}")
        self.speed = speed

    def release(self) -> None:
        self._answer("release")
        self.released = True

    def acquire(self) -> None:
        self._call("acquire")
        self.released = False

    def cameras(self) -> list[int]:
        return [0, 2]

    def change_source(self, **changes: object) -> None:
        self._answer(f"change {changes}")
        self.source = self.source.model_copy(update=changes)

    def trigger(self) -> int:
        self._call("trigger")
        return self.waiting

    def record(self, on: bool) -> None:
        self._answer(f"record {on}")
        self.recording = on

    def models(self) -> tuple[str, ...]:
        return self._names

    def switch(
        self, *, model: str | None = None, mode: MattingMode | None = None
    ) -> Future[Applied]:
        self._answer(f"switch {model or mode}")
        self.model, self.mode = model or self.model, mode or self.mode
        self.switching = Future()
        return self.switching

    def save(self, folder: Path) -> Path:
        self._answer(f"save {folder.name}")
        return folder / "stream.yaml"

    def _answer(self, call: str) -> None:
        self._call(call)
        if self._refuses is not None:
            raise self._refuses
