"""The shipped configurations: from the package's data, or from a checkout's `config/`."""

from __future__ import annotations

import importlib.resources
from importlib.resources.abc import Traversable
from pathlib import Path

from streamer.errors import ConfigError


def templates() -> dict[str, Traversable]:
    """The shipped configurations by name, without `.yaml`. Raises ConfigError if none exist."""
    packaged = importlib.resources.files("streamer") / "data" / "config"
    folder: Traversable = packaged if packaged.is_dir() else Path(__file__).parents[2] / "config"
    found = (
        {
            entry.name.removesuffix(".yaml"): entry
            for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
            if entry.name.endswith(".yaml")
        }
        if folder.is_dir()
        else {}
    )
    if not found:
        raise ConfigError("the shipped configurations are missing: reinstall streamer")
    return found


def template(name: str) -> Traversable:
    """The shipped configuration of that name. Raises ConfigError, which lists all names."""
    found = templates()
    try:
        return found[name.removesuffix(".yaml")]
    except KeyError:
        raise ConfigError(f"{name}: no such template: there are {', '.join(found)}") from None
