"""Reads a configuration file again while its streams run: when it changes, and when asked to."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from streamer.config import BoxConfig, load_box
from streamer.core.clock import Clock, SystemClock
from streamer.errors import ConfigError

logger = logging.getLogger("streamer.control")

_TICK_S = 0.25


class FileWatch:
    """
    Says when a file is to be read again: when it has changed, and when asked to.

    One that has changed is due once two looks in a row find the same in it, so that a half-written
    one is not.

    Args:
        path: the file.
        watch: whether a change of the file is enough; else only `request` makes it due.
        known: a digest of what was read before, by `digest`; None: what the file has now.

    All but `request` is for one thread.
    """

    def __init__(self, path: Path, *, watch: bool = True, known: bytes | None = None) -> None:
        self._path = path
        self._watch = watch
        self._requested = False
        self._known = self._seen = known or digest(path)

    def request(self) -> None:
        """Make it due, changed or not. Takes no lock: for signal handlers."""
        self._requested = True

    def due(self) -> bool:
        """Whether it is to be read now; true once for each change."""
        if self._requested:
            self._requested = False
            self._known = self._seen = digest(self._path)
            return True
        if not self._watch:
            return False
        before, self._seen = self._seen, digest(self._path)
        if self._seen is None or self._seen != before or self._seen == self._known:
            return False
        self._known = self._seen
        return True


class Reloading:
    """
    Keeps the streams of a process those of a file. A context manager: its thread runs within it.

    A file that is not valid changes nothing, and is said why. It is looked at four times a second.

    Args:
        path: the file.
        overrides: as `load_box` takes them.
        reload: makes the streams those of another configuration. Raises ConfigError.
        watch: see `FileWatch`.
        known: see `FileWatch`.
        told: called in the thread with true before the file is read, and with false afterwards.
        clock: the clock; tests pass their own.
    """

    def __init__(
        self,
        path: Path,
        overrides: Sequence[str],
        reload: Callable[[BoxConfig], None],
        *,
        watch: bool = True,
        known: bytes | None = None,
        told: Callable[[bool], None] = lambda begun: None,
        clock: Clock | None = None,
    ) -> None:
        self.refused = 0
        """How often the file was read and not taken."""
        self.taken = 0
        self._path = path
        self._overrides = overrides
        self._reload = reload
        self._file = FileWatch(path, watch=watch, known=known)
        self._told = told
        self._clock = clock or SystemClock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streamer-reloading")

    def request(self) -> None:
        """Have the file read soon, changed or not. Takes no lock: for signal handlers."""
        self._file.request()

    @property
    def stuck(self) -> bool:
        """Whether its thread still works, as in a dead network disk; asked after the block."""
        return self._thread.is_alive()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join(_TICK_S * 4)  # it may be stuck in a dead network disk

    def _run(self) -> None:
        while not self._clock.wait(self._end, _TICK_S):
            if self._file.due():
                self._read()

    def _read(self) -> None:
        self._told(True)
        try:
            self._reload(load_box(self._path, self._overrides))
            self.taken += 1
            logger.info("%s: read again", self._path)
        except ConfigError as error:
            self.refused += 1
            logger.error("%s; everything stays as it was", error)
        finally:
            self._told(False)


def digest(path: Path) -> bytes | None:
    """A digest of what is in the file; None while it cannot be read, or not twice, as a pipe."""
    try:
        return hashlib.sha256(path.read_bytes()).digest() if path.is_file() else None
    except OSError:
        return None
