"""The settings that may change while a stream runs, as each frame takes them."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamer.config.picture import ComposeConfig, RefineConfig
from streamer.config.preprocess import PreprocessConfig


@dataclass(frozen=True, slots=True)
class Settings:
    """
    One state of the live settings; immutable, so it may be shared between threads.

    A frame takes the settings of its stream once, when its matting takes it, and carries them to
    refinement and to every sink: no frame shows two states.
    """

    refine: RefineConfig = field(default_factory=RefineConfig)
    compose: ComposeConfig = field(default_factory=ComposeConfig)
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    """Of it, only the regions may change."""
    number: int = 0
    """How many changes the stream had seen; 0 is how it was started."""


DEFAULT_SETTINGS = Settings()
"""The defaults."""
