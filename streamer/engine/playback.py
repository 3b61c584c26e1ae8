"""What a user asks of a source while it runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

Connection = Literal["open", "reopening", "released"]
"""`reopening`: it is closed, to be opened again at once; `released`: it is closed and stays so."""


@dataclass(slots=True)
class Playback:
    """
    Wishes that any thread may set, and that the capture stage looks at for each frame.

    Assigning an attribute is atomic; the connection has states, and methods that change them.
    """

    paused: bool = False
    """A file waits; a live source is read and thrown away, while its last picture is held."""
    speed: float = 1.0
    """Of a source that is paced: 2 delivers twice as fast as the timestamps say."""
    connection: Connection = "open"
    """Of a source that is connected again; to be changed by the methods only."""
    outdated: bool = False
    """What was made before the start is not what is wanted any more."""
    _anew: bool = False
    """It was to be reopened, and has not been."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def closes(self) -> bool:
        """Whether a connection that there is must be closed."""
        return self.connection != "open"

    def release(self) -> None:
        """Close it until `acquire`, whatever was wanted before."""
        with self._lock:
            self.connection = "released"

    def acquire(self) -> None:
        """Open it again after `release`. A `reopen` that is not done yet is done then."""
        with self._lock:
            if self.connection == "released":
                self.connection = "reopening" if self._anew else "open"

    def reopen(self) -> None:
        """Make it anew: at once, or where it is released when it is acquired."""
        with self._lock:
            self.outdated = self._anew = True
            if self.connection == "open":
                self.connection = "reopening"

    def reopened(self) -> None:
        """It is closed, and may be opened again; unless it was released meanwhile."""
        with self._lock:
            if self.connection == "reopening":
                self.connection, self._anew = "open", False
