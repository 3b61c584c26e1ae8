"""What a window may ask of the pipeline that it shows: the contract between the two."""

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
    """How many changes there were until then, with this one."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that was not made; all is as it was."""

    key: str
    """Dotted, of the configuration."""
    value: object = field(repr=False)
    """That was wanted; it may be a secret."""
    why: str
    """In one line, for the user."""


class Controls(Protocol):
    """
    A running stream, as a user steers it; `streamer.Pipeline` is one.

    Any thread may call any of it. What cannot be done raises a StreamerError, whose text is one
    line for the user; `apply` says so by its answer.
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
        """Whether no more frames come."""
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
        """Deliver it faster or slower. Raises CommandRefused where it has no pace."""
        ...

    @property
    def pace(self) -> str:
        """What is left out of a live stream to stay in time, in words; empty where nothing is."""
        ...

    @property
    def released(self) -> bool:
        """Whether the camera is let go."""
        ...

    def release(self) -> None:
        """Let the camera go. Raises CommandRefused where there is none."""
        ...

    def acquire(self) -> None:
        """Open it again."""
        ...

    @property
    def source(self) -> SourceConfig:
        """Where frames come from now."""
        ...

    def cameras(self) -> Sequence[int]:
        """The indices of this machine's cameras."""
        ...

    def change_source(self, **changes: object) -> None:
        """Other settings of the source. Raises CommandRefused for one that is fixed."""
        ...

    def trigger(self) -> int:
        """Tell the sinks that wait for it to take a frame; how many there are."""
        ...

    @property
    def recording(self) -> bool:
        """Whether a recording is on."""
        ...

    def record(self, on: bool) -> None:
        """Switch recordings. Raises CommandRefused where there is none."""
        ...

    @property
    def crops(self) -> bool:
        """Whether frames are cropped at the source: regions drawn on them are none of the frame."""
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
        """The models that can be switched to without a download, the running one with them."""
        ...

    def switch(
        self, *, model: str | None = None, mode: MattingMode | None = None
    ) -> Future[Applied]:
        """
        Go over to another model or mode, loaded meanwhile.

        Returns:
            Done when it runs; has the failure where it does not, and all is as before.

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
