"""The user's wishes of a source while it runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

Connection = Literal["open", "reopening", "released"]
"""`reopening`: it is closed, to be opened again at once; `released`: it is closed and stays so."""


@dataclass(slots=True)
class Playback:
    """
    Wishes that any thread may set; the capture stage checks them at each frame.

    Assigning an attribute is atomic; the connection has states, and methods that change them.
    """

    paused: bool = False
    """A file waits; a live source is read and thrown away, while its last picture is held."""
    speed: float = 1.0
    """For a paced source: 2 delivers twice as fast as the timestamps say."""
    connection: Connection = "open"
    """For a source that is reconnected; to be changed by the methods only."""
    outdated: bool = False
    """The source made before the start has old settings, and must be made again."""
    _anew: bool = False
    """A `reopen` was asked for, and is not done yet."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def closes(self) -> bool:
        """Whether the current connection must be closed."""
        return self.connection != "open"

    def release(self) -> None:
        """Close the source until `acquire`, whatever was wanted before."""
        with self._lock:
            self.connection = "released"

    def acquire(self) -> None:
        """Open the source again after `release`. A `reopen` that is not done yet is done then."""
        with self._lock:
            if self.connection == "released":
                self.connection = "reopening" if self._anew else "open"

    def reopen(self) -> None:
        """Reopen the source with its current settings: at once, or if released, at `acquire`."""
        with self._lock:
            self.outdated = self._anew = True
            if self.connection == "open":
                self.connection = "reopening"

    def reopened(self) -> None:
        """Note that the old connection is closed, and a new one may open, unless released."""
        with self._lock:
            if self.connection == "reopening":
                self.connection, self._anew = "open", False
