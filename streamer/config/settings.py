"""The settings that may change while a stream runs, as each frame takes them."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamer.config.picture import ComposeConfig, RefineConfig
from streamer.config.preprocess import PreprocessConfig


@dataclass(frozen=True, slots=True)
class Settings:
    """
    One state of the live settings; immutable, so it may be shared between threads.

    Each frame gets its stream's settings once, when the matting takes it, and carries them to
    refinement and to every sink. So no frame shows two states.
    """

    refine: RefineConfig = field(default_factory=RefineConfig)
    compose: ComposeConfig = field(default_factory=ComposeConfig)
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    """Only its regions may change."""
    number: int = 0
    """Number of changes made so far; 0: as the stream was started."""


DEFAULT_SETTINGS = Settings()
