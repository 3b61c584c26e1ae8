"""
Shared by all ways of fetching a model: our cache folder, hashes, disk space, progress.

Nothing here uses the network.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import ssl
import sys
from pathlib import Path
from typing import Protocol

from streamer.core.home import expanded, home
from streamer.errors import ConfigError, ModelError, ModelFetchError

LOCAL_FILE = "or take another model, or a local .onnx file: --set model.name=…, or --model"
"""The advice that every failed fetch gives."""

_WRONG_TIME = (9, 10)
"""OpenSSL's codes for a certificate that is not valid yet, or no longer."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Progress(Protocol):
    """A callback for the progress of a download, called from the thread that fetches."""

    def __call__(self, done_bytes: int, total_bytes: int | None, label: str, /) -> None:
        """*done_bytes* of *total_bytes* (None: unknown) of the model called *label*."""
        ...


def cache_folder() -> Path:
    """
    Our own cache: `STREAMER_CACHE`, else the platform's folder. It may not exist yet.

    Raises ModelFetchError if the variable is unusable, or if it is unset and there is no home.
    """
    chosen = os.environ.get("STREAMER_CACHE")
    if chosen:
        try:
            return expanded(chosen)
        except ConfigError as error:
            raise ModelFetchError(f"STREAMER_CACHE: {error}") from None
    if sys.platform == "win32":
        root = os.environ.get("LOCALAPPDATA")
        return (Path(root) if root else _home() / "AppData" / "Local") / "streamer" / "cache"
    if sys.platform == "darwin":
        return _home() / "Library" / "Caches" / "streamer"
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else _home() / ".cache") / "streamer"


def _home() -> Path:
    found = home()
    if found is None:
        raise ModelFetchError(
            "there is no home folder here to keep models in: set STREAMER_CACHE to a folder that "
            f"can be written, {LOCAL_FILE}"
        )
    return found


def own_place(path: str) -> Path:
    """Path for a file of that name in our own cache. Raises ModelFetchError."""
    return cache_folder().absolute() / "models" / path


def own_copy(path: str) -> Path | None:
    """Path of that file in our own cache; None if it, or any cache, is missing. No network."""
    try:
        place = own_place(path)
        return place if place.is_file() else None
    except (ModelFetchError, OSError):  # no home, or another user's
        return None


def can_be_written(folder: Path) -> bool:
    """Whether files can be put into *folder*, which need not exist yet."""
    existing = folder.absolute()
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    effective = os.access in os.supports_effective_ids
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK, effective_ids=effective)


def make_folder(folder: Path) -> Path:
    """Make *folder* if it is missing, and return it. Raises ModelFetchError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(error, folder) from error
    return folder


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in lower-case hexadecimal. Raises ModelError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be read ({error.strerror}): check its permissions"
        ) from error


def discard(path: Path) -> None:
    """Remove a cached file and, where it is a link, every file behind it."""
    try:
        while path.is_symlink():
            behind = path.parent / path.readlink()
            path.unlink()
            path = behind
        path.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(error, path.parent) from error


def is_no_room(error: BaseException) -> bool:
    """Whether *error* means a full disk, or that a quota or the largest file size is reached."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def require_room(folder: Path, size: int) -> None:
    """Raise ModelFetchError unless *size* bytes fit on the disk of *folder*."""
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if shutil.disk_usage(existing).free < size:
        raise no_room(folder, size)


def no_room(folder: Path, size: int) -> ModelFetchError:
    """The error for a full disk."""
    return ModelFetchError(
        f"{folder}: no room for {size / 1e6:.0f} MB: free some, or set "
        "STREAMER_CACHE and HF_HOME to folders on another disk"
    )


def write_error(error: OSError, folder: Path) -> ModelFetchError:
    """The error for a cache folder that cannot be written."""
    return ModelFetchError(
        f"{folder}: cannot be written ({error.strerror or error}): set STREAMER_CACHE and HF_HOME "
        "to folders that can"
    )


def certificate_advice(error: BaseException) -> str | None:
    """
    Advice if a server's certificate is not trusted; None if something else failed.

    Args:
        error: what a client raised; its causes and contexts are looked at too.
    """
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in seen:
        if isinstance(link, ssl.SSLCertVerificationError):
            if link.verify_code in _WRONG_TIME:
                return "check this machine's clock"
            return "set SSL_CERT_FILE to a PEM file with the authority that signed it"
        seen.append(link)
        link = link.__cause__ or link.__context__
    return None
