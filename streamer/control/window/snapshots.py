"""Pictures of what the window shows, one for each press of its key."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from streamer.errors import SinkError
from streamer.frame import Image
from streamer.sinks.shared.paths import make_folder
from streamer.sinks.shared.picture import write_picture

_log = logging.getLogger("streamer.control.window.display")


class Snapshots:
    """
    Writes pictures as `snapshot-20260131-120000-040000.png`, never over another file.

    Args:
        folder: made at the first snapshot.
        clock: the wall clock in UTC.
    """

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._clock = clock
        self.saved = 0

    def save(self, picture: Image) -> str:
        """Write *picture*; return where, or why not: a failure is logged, not raised."""
        path = self._folder / f"snapshot-{self._clock():%Y%m%d-%H%M%S-%f}.png"
        try:
            make_folder(self._folder)
            write_picture(path, picture, overwrite=False)
        except (SinkError, FileExistsError) as error:
            _log.warning("no snapshot: %s", error)
            return f"no snapshot: {error}"
        self.saved += 1
        _log.info("snapshot: %s", path)
        return f"snapshot: {path}"
