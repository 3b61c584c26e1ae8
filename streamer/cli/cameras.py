"""`streamer cameras`: which cameras there are, and their modes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from streamer.cli.failures import say
from streamer.cli.tables import print_table

if TYPE_CHECKING:
    from streamer.sources.cameras import Mode


def cameras() -> None:
    """
    List the cameras of this machine with the sizes and rates they offer.

    Example: streamer cameras
    """
    from streamer.sources.cameras import list_cameras

    found = list_cameras()
    if not found:
        say("no camera found: is one connected, and may you read it (group video on Linux)?")
        raise typer.Exit
    print_table(
        ("index", "path", "name", "modes"),
        (
            (
                str(camera.index),
                camera.path,
                camera.name,
                format_modes(camera.modes) or "not told by the driver",
            )
            for camera in found
        ),
    )


def format_modes(modes: Iterable[Mode]) -> str:
    """*modes* as `MJPG 1280x720 at 30, 60; 640x480; YUYV …`: each format and size once."""
    formats: dict[str, dict[str, list[str]]] = {}
    for mode in modes:
        rates = formats.setdefault(mode.fourcc, {}).setdefault(f"{mode.width}x{mode.height}", [])
        if mode.fps is not None:
            rates.append(f"{mode.fps:g}")
    return "; ".join(
        f"{fourcc} "
        + "; ".join(f"{size} at {', '.join(r)}" if r else size for size, r in sizes.items())
        for fourcc, sizes in formats.items()
    )
