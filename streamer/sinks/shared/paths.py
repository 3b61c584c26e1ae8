"""Folders to write to, and errors that say why a path cannot be written."""

from __future__ import annotations

import errno
from pathlib import Path

import av

from streamer.errors import SinkError, ffmpeg_reason

_WAYS_OUT = {
    errno.ENOSPC: "the disk is full: free some space, or write to another disk",
    errno.EDQUOT: "the disk quota is used up: free some space, or write to another disk",
    errno.EFBIG: "the file is as large as this system allows: record in shorter pieces",
    errno.EACCES: "no permission to write: change it, or choose another folder",
    errno.EPERM: "no permission to write: change it, or choose another folder",
    errno.EROFS: "a read-only disk: choose another folder",
    errno.EISDIR: "is a folder: name a file",
    errno.ENOTDIR: "a part of this path is a file: choose another folder",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
}


def make_folder(folder: Path) -> None:
    """
    Make *folder* and its parents where missing.

    Raises:
        SinkError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise SinkError(f"{folder}: is a file: choose another folder") from error
    except OSError as error:
        raise refusal(folder, error) from error


def refusal(path: Path, error: Exception) -> SinkError:
    """
    The error for a *path* that could not be written, in one line with the way out.

    FFmpeg uses EPERM for failures of any kind: only the system's own means permissions.
    """
    number = error.errno if isinstance(error, OSError) and is_of_the_disk(error) else None
    reason = _WAYS_OUT.get(number) if number is not None else None
    if reason is None:
        own = isinstance(error, av.FFmpegError)
        text = ffmpeg_reason(error) if own else getattr(error, "strerror", None) or str(error)
        reason = f"cannot be written: {' '.join((text or type(error).__name__).split())}"
    return SinkError(f"{path}: {reason}")


def is_of_the_disk(error: Exception) -> bool:
    """Whether the system refused to write, rather than FFmpeg for a reason of its own."""
    unnumbered = isinstance(error, av.FFmpegError) and error.errno == errno.EPERM
    return isinstance(error, OSError) and not unnumbered
