"""What a user asks of a source while it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Playback:
    """
    Wishes that any thread may set, and that the capture stage looks at for each frame.

    Assigning an attribute is atomic: no lock is needed.
    """

    paused: bool = False
    """A file waits; a live source is read and thrown away, while its last picture is held."""
    speed: float = 1.0
    """Of a source that is paced: 2 delivers twice as fast as the timestamps say."""
    released: bool = False
    """A source that is reconnected is closed, and stays so."""
    reopening: bool = False
    """It was released only to be opened again."""
    outdated: bool = False
    """What was made before the start is not what is wanted any more."""
