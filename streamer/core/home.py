"""
The user's home folder, and what is done without one.

In containers there often is none: no HOME, and a user id that has no entry in the password file.
"""

from __future__ import annotations

import os
from pathlib import Path

from streamer.errors import ConfigError

_OF_THE_HUB = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME")


def home() -> Path | None:
    """The home folder, which need not be there; None where nobody says which it is."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def expanded(path: str) -> Path:
    """*path* with a leading `~` or `~user` filled in. Raises ConfigError where that is nobody's."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigError(
            f"{path}: there is no such home folder here: write the whole path, or set HOME"
        ) from None


def lend_our_cache() -> None:
    """
    Have the Hub's client keep its files in STREAMER_CACHE where it would have no home for them.

    It would make a folder called `~`. It looks once, when it is imported: to be called before.
    """
    ours = os.environ.get("STREAMER_CACHE")
    if ours and home() is None and not any(os.environ.get(name) for name in _OF_THE_HUB):
        os.environ["HF_HOME"] = os.path.join(ours, "huggingface")  # noqa: PTH118 - as it is written
