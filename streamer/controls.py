"""The contract between a window and the pipeline that it shows: what a user may ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from streamer.config import Settings, SourceConfig

MattingMode = Literal["every_frame", "tracked"]


@dataclass(frozen=True, slots=True)
class Applied:
    """A change that was made."""

    number: int
    """The number of changes so far, this one included."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that was not made; everything is as it was."""

    key: str
    """Dotted, of the configuration."""
    value: object = field(repr=False)
    """The value that was wanted; may be a secret."""
    why: str
    """In one line, for the user."""
    fixed: bool = False
    """It cannot change while the stream runs; another run could have it."""


class Controls(Protocol):
    """
    A running stream, as a user steers it; `streamer.Pipeline` is one.

    Any thread may call any of it. A command that cannot be done raises a StreamerError, whose text
    is one line for the user; `apply` returns `Refused` instead.
    """

    @property
    def settings(self) -> Settings:
        """The live settings as they are now."""
        ...

    def apply(self, changes: Mapping[str, object]) -> Applied | Refused:
        """Change settings by dotted keys of the configuration: all of them, or none."""
        ...

    @property
    def paused(self) -> bool:
        """Whether the stream is held by `pause`."""
        ...

    def pause(self) -> None:
        """Hold the stream."""
        ...

    def resume(self) -> None:
        """End a pause."""
        ...

    @property
    def speed(self) -> float:
        """How much faster than its timestamps a paced source is delivered."""
        ...

    def set_speed(self, speed: float) -> None:
        """Deliver a paced source faster or slower. Raises CommandRefused for any other."""
        ...

    @property
    def pace(self) -> str:
        """What is left out of a live stream to stay in time, in words; empty where nothing is."""
        ...

    @property
    def released(self) -> bool:
        """Whether the camera is closed on request."""
        ...

    def release(self) -> None:
        """Close the camera until `acquire`. Raises CommandRefused if there is none."""
        ...

    def acquire(self) -> None:
        """Open the camera again."""
        ...

    @property
    def source(self) -> SourceConfig:
        """Where frames come from now."""
        ...

    def cameras(self) -> Sequence[int]:
        """The indices of this machine's cameras."""
        ...

    def change_source(self, **changes: object) -> None:
        """Change settings of the source. Raises CommandRefused for one that is fixed."""
        ...

    def trigger(self) -> int:
        """Tell the sinks that wait for a trigger to take a frame; returns how many there are."""
        ...

    @property
    def recording(self) -> bool:
        """Whether a recording is on."""
        ...

    def record(self, on: bool) -> None:
        """Switch recordings on or off. Raises CommandRefused if there is none."""
        ...

    @property
    def crops(self) -> bool:
        """Whether frames are cropped at the source: no regions can then be drawn on them."""
        ...

    @property
    def model(self) -> str:
        """The name of the model that runs."""
        ...

    @property
    def mode(self) -> MattingMode:
        """How frames get their mattes now."""
        ...

    def models(self) -> Sequence[str]:
        """The models that can be switched to without a download, the running one included."""
        ...

    def switch(
        self, *, model: str | None = None, mode: MattingMode | None = None
    ) -> Future[Applied]:
        """
        Switch to another model or mode, which is loaded in the background.

        Returns:
            Done when the new one runs; has the failure if it does not, and all stays as it was.

        Raises:
            CommandRefused: another switch is under way.
        """
        ...

    def save(self, folder: Path) -> Path:
        """
        Write the configuration as it is now to a new file in *folder*, and return its path.

        Raises:
            ConfigError: it cannot be written.
        """
        ...
