"""Keeps the newest of the files that a sink has written, within limits."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from streamer.core.clock import Clock, SystemClock
from streamer.errors import SinkError


@dataclass(frozen=True, slots=True)
class _Written:
    path: Path
    size: int
    written_ns: int
    identity: tuple[int, int, int] | None
    """Tells it from a later file of the same name; None where it was gone already."""


class Retention:
    """
    Deletes the oldest of the files that it was told of, and no others: not even a file that took
    the name of one since. The newest stays, however large, until it is too old.

    Args:
        count: most files to keep.
        megabytes: most megabytes to keep, of 1,000,000 bytes.
        age_s: greatest age of a file in seconds.
        clock: for their ages.

    Not thread-safe.
    """

    def __init__(
        self,
        count: int | None = None,
        megabytes: float | None = None,
        age_s: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._count = count
        self._bytes = None if megabytes is None else megabytes * 1e6
        self._age_ns = None if age_s is None else age_s * 1e9
        self._limited = any(limit is not None for limit in (count, megabytes, age_s))
        self._clock = clock or SystemClock()
        self._kept: deque[_Written] = deque()
        self._size = 0
        self.deleted = 0

    def add(self, path: Path, size: int) -> None:
        """Count a file of *size* bytes that was just written."""
        if self._limited:
            self._kept.append(_Written(path, size, self._clock.now_ns(), _identity(path)))
            self._size += size

    def apply(self) -> None:
        """
        Delete the files that are over a limit now.

        Raises:
            SinkError: a file cannot be deleted.
        """
        while self._kept and self._is_over():
            oldest = self._kept.popleft()
            self._size -= oldest.size
            if oldest.identity is None or oldest.identity != _identity(oldest.path):
                continue
            try:
                oldest.path.unlink(missing_ok=True)
            except OSError as error:
                raise SinkError(
                    f"{oldest.path}: cannot be deleted to keep the limit: {error.strerror}"
                ) from error
            self.deleted += 1

    def _is_over(self) -> bool:
        age_ns = self._clock.now_ns() - self._kept[0].written_ns
        if self._age_ns is not None and age_ns > self._age_ns:
            return True
        if len(self._kept) == 1:
            return False
        return (self._count is not None and len(self._kept) > self._count) or (
            self._bytes is not None and self._size > self._bytes
        )


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns
