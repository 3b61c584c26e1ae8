"""
The user's home folder, and a way to do without one.

Containers often have none: no HOME, and a user id that has no entry in the password file.
"""

from __future__ import annotations

import os
from pathlib import Path

from streamer.errors import ConfigError

_OF_THE_HUB = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME")


def home() -> Path | None:
    """The home folder, which need not exist; None if it is not known."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def expanded(path: str) -> Path:
    """*path* with a leading `~` or `~user` filled in. Raises ConfigError if that is unknown."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigError(
            f"{path}: there is no such home folder here: write the whole path, or set HOME"
        ) from None


def lend_our_cache() -> None:
    """
    Make the Hub's client keep its files in STREAMER_CACHE if it would have no home for them.

    By itself it would make a folder called `~`. It looks once, when it is imported: call this
    before.
    """
    ours = os.environ.get("STREAMER_CACHE")
    if ours and home() is None and not any(os.environ.get(name) for name in _OF_THE_HUB):
        os.environ["HF_HOME"] = os.path.join(ours, "huggingface")  # noqa: PTH118 - as it is written
