"""
A file that one recording has to itself, until it ends or its process dies, however that happens.

The lock is the system's, on the file itself, so that it holds between users and containers and
leaves nothing behind. Windows' locks would keep FFmpeg from writing, and a file that is open from
being deleted: there it is a file of its own in the folder for temporary files.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from streamer.errors import SinkError
from streamer.sinks.paths import refusal


class Claim:
    """
    Takes the name of a file, which is made where it is missing. Not thread-safe.

    Args:
        path: the file.
        replace: it may be there already; its content stays as it is.

    Attributes:
        made: it was not there.

    Raises:
        SinkError: it exists, it cannot be written, or another recording goes into it.
    """

    def __init__(self, path: Path, *, replace: bool) -> None:
        self.made = False
        self._path = path
        self._release: Callable[[], None] | None = None
        try:
            while self._release is None:
                handle = self._open(replace=replace)
                self._release = _locked(path, handle)
        except BlockingIOError as error:
            raise SinkError(
                f"{path}: another recording goes into it: name another file, "
                "or put {start:%Y%m%d-%H%M%S} in its name"
            ) from error
        except FileExistsError as error:
            raise SinkError(
                f"{path}: exists already: set overwrite: true, "
                "or put {start:%Y%m%d-%H%M%S} in its name"
            ) from error
        except OSError as error:
            raise refusal(path, error) from error

    def release(self, *, delete: bool = False) -> None:
        """Let others have the file; with *delete*, nobody. Twice is once."""
        release, self._release = self._release, None
        if release is None:
            return
        if delete:
            with suppress(OSError):
                self._path.unlink()
        release()

    def _open(self, *, replace: bool) -> int:
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            self.made = False
            if not replace:
                raise
            return os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o666)
        self.made = True
        return handle


def _locked(path: Path, handle: int) -> Callable[[], None] | None:
    """
    Lock the file at *path*, open as *handle*, which is taken over; pipes and devices are shared.

    Returns:
        What gives the lock back; None where the name has gone to another file meanwhile.

    Raises:
        BlockingIOError: another has it.
    """
    if sys.platform == "win32":
        os.close(handle)
        return lock_beside(path)
    import fcntl

    if not stat.S_ISREG(os.fstat(handle).st_mode):
        return lambda: os.close(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:
        # Some network disks have no locks; without one it is as it was.
        pass
    with suppress(OSError):
        if os.path.samestat(os.fstat(handle), path.stat()):
            return lambda: os.close(handle)
    os.close(handle)
    return None


def lock_beside(path: Path) -> Callable[[], None]:
    """A lock on the name *path* in this system's folder for temporary files; as `_locked`."""
    name = hashlib.sha256(os.path.normcase(path.resolve()).encode(errors="replace")).hexdigest()
    lock = FileLock(Path(tempfile.gettempdir(), f"streamer-{name[:32]}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise BlockingIOError from error
    return lock.release
