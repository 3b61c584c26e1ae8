"""
Reserves a file for one recording, until that ends or its process dies, however that happens.

The lock is the system's, on the file itself, so that it holds between users and containers and
leaves nothing behind. On Windows and SMB such a lock would keep FFmpeg from writing: there a lock
file in the folder for temporary files is used, which only this machine sees.
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
from streamer.sinks.shared.paths import refusal

_MOUNTS = Path("/proc/self/mountinfo")
_SMB = ("cifs ", "smb3 ")
"""Linux's names of file systems whose `flock` keeps other descriptors from writing (flock(2))."""


class Claim:
    """
    Claims a file, which is made where it is missing. Not thread-safe.

    Args:
        path: the file.
        replace: it may have content already, which stays as it is.

    Attributes:
        made: it was missing, or empty as a run leaves it that is killed before its first frame.

    Raises:
        SinkError: it exists, it cannot be written, or another recording has it.
    """

    def __init__(self, path: Path, *, replace: bool) -> None:
        self._path = path
        self._release: Callable[[], None] | None = None
        try:
            while self._release is None:
                exclusive = 0 if replace or _is_blank(path) else os.O_EXCL
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | exclusive, 0o666)
                self._release = _locked(path, handle)
            self.made = _is_blank(path)
            if not (self.made or replace):
                self.release()
                raise FileExistsError
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
        """
        Give the file up, and delete it if *delete* says so. Safe to call twice.

        Only a regular file is deleted: pipes, devices and links are the user's.
        """
        release, self._release = self._release, None
        if release is None:
            return
        if delete and self._path.is_file() and not self._path.is_symlink():
            with suppress(OSError):
                self._path.unlink()
        release()


def _is_blank(path: Path) -> bool:
    """Whether *path* is an empty file; false for a pipe or device."""
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and not status.st_size


def _locked(path: Path, handle: int) -> Callable[[], None] | None:
    """
    Lock the file at *path*, open as *handle*, which is owned from now on; not pipes and devices.

    Returns:
        A function that releases the lock; None where *path* is another file by now.

    Raises:
        BlockingIOError: another recording has the lock.
    """
    if sys.platform == "win32" or _is_on_smb(handle):
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
        # Some network disks have no locks: go on without one.
        pass
    with suppress(OSError):
        if os.path.samestat(os.fstat(handle), path.stat()):
            return lambda: os.close(handle)
    os.close(handle)
    return None


def _is_on_smb(handle: int) -> bool:
    """Whether the file that is open as *handle* lies on an SMB share, as far as Linux says."""
    device = os.fstat(handle).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = _MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return False
    # "36 35 0:53 / /mnt/share rw shared:1 - cifs //server/share rw", proc_pid_mountinfo(5)
    parts = (line.partition(" - ") for line in mounts)
    return any(number in where.split()[2:3] and kind.startswith(_SMB) for where, _, kind in parts)


def lock_beside(path: Path) -> Callable[[], None]:
    """Lock the name *path* by a file in the folder for temporary files; as `_locked`."""
    name = hashlib.sha256(os.path.normcase(path.resolve()).encode(errors="replace")).hexdigest()
    lock = FileLock(Path(tempfile.gettempdir(), f"streamer-{name[:32]}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise BlockingIOError from error
    return lock.release
