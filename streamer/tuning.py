"""What may be changed while a stream runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamer.config import ComposeConfig, PreprocessConfig, RefineConfig


@dataclass(slots=True)
class Tuning:
    """
    Settings that every frame is worked on by; `Stream.apply` replaces them, each as a whole.

    Assigning an attribute is atomic, and the values are frozen: readers need no lock. One keeps
    what it has made of a value until the attribute is another object, and puts the one before back
    if it cannot use it after all.
    """

    refine: RefineConfig = field(default_factory=RefineConfig)
    compose: ComposeConfig = field(default_factory=ComposeConfig)
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    """Of it, only the regions may change."""
    held: PreprocessConfig | None = None
    """The latest whose regions were in a frame: what the mattings go back to; for them to set."""
