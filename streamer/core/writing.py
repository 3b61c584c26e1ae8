"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any


def write_whole(
    path: Path, content: bytes | memoryview[Any], *, overwrite: bool = True, sync: bool = False
) -> None:
    """
    Write a file atomically.

    It is written in the same folder under a hidden name that ends in `.part`, then renamed.

    Args:
        path: its folder exists.
        content: what is in it.
        overwrite: replace a file of that name.
        sync: have the content on the disk before the file has its name.

    Raises:
        FileExistsError: it exists and *overwrite* is false; nothing was written.
        OSError: it cannot be written; no part of it is left.
    """
    # A random name: processes of two containers or machines may have the same number.
    part = path.with_name(f".streamer-{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        if overwrite:
            part.replace(path)
        else:
            _move_to_free(part, path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _move_to_free(part: Path, path: Path) -> None:
    """Rename unless *path* exists, which raises FileExistsError. Atomic where links exist."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError as error:
        if path.exists():
            raise FileExistsError(path) from error
        part.replace(path)
