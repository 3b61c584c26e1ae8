"""What may be changed while a stream runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamer.config import ComposeConfig, PreprocessConfig, RefineConfig


@dataclass(slots=True)
class Tuning:
    """
    Settings that any thread may replace, each as a whole; whoever uses one looks at each frame.

    Assigning an attribute is atomic, and the values are frozen: no lock is needed. A reader keeps
    what it has made of a value until the attribute is another object.
    """

    refine: RefineConfig = field(default_factory=RefineConfig)
    compose: ComposeConfig = field(default_factory=ComposeConfig)
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    """Of it, only the regions may change."""
    held: PreprocessConfig | None = None
    """The latest whose regions were in a frame: what the mattings go back to; for them to set."""
