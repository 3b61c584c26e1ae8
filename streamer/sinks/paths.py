"""Where a sink writes: path templates, folders, and what to say when that fails."""

from __future__ import annotations

import errno
import string
from datetime import datetime
from pathlib import Path

from streamer.errors import ConfigError, SinkError

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


def fill_path(template: str, *, stream: str, start: datetime) -> Path:
    """
    *template* with `{stream}` and `{start}` or `{start:%Y%m%d-%H%M%S}` filled in, `~` expanded.

    Raises:
        ConfigError: it has another field, or is no template.
    """
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        if unknown := names - {"stream", "start"}:
            raise ConfigError(
                f"path: {template}: {{{min(unknown)}}} is not known: "
                "use {stream} or {start:%Y%m%d-%H%M%S}"
            )
        return Path(template.format(stream=stream, start=start)).expanduser()
    except (ValueError, IndexError, RuntimeError) as error:
        raise ConfigError(f"path: {template}: {error}: write {{{{ for a brace") from error


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
    """The error for a *path* that could not be written, in one line with the way out."""
    number = getattr(error, "errno", None)
    reason = _WAYS_OUT.get(number) if isinstance(number, int) else None
    if reason is None:
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = f"cannot be written: {' '.join(str(text).split())}"
    return SinkError(f"{path}: {reason}")
