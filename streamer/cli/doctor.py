"""`streamer doctor`: what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

from streamer import __version__
from streamer.errors import StreamerError, redact

Verdict = Literal["ok", "advice", "problem"]

PACKAGES = (
    ("onnxruntime", ("onnxruntime-gpu", "onnxruntime")),
    ("cv2", ("opencv-python", "opencv-python-headless", "opencv-contrib-python")),
    ("av", ("av",)),
    ("numpy", ("numpy",)),
    ("huggingface_hub", ("huggingface_hub",)),
    ("pydantic", ("pydantic",)),
    ("yaml", ("PyYAML",)),
    ("filelock", ("filelock",)),
)
"""Modules that must import, and the distributions that may provide them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check. A `problem` keeps the main job from running; `advice` does not."""

    verdict: Verdict
    what: str
    text: str
    """What was found, and, if it is not `ok`, what to do."""


def installed(distribution: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _versions() -> Iterator[Finding]:
    # streamer.models sets this, but is not imported yet: a broken onnxruntime is a finding.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    yield Finding("ok", "python", f"{platform.python_version()} on {platform.platform()}")
    yield Finding("ok", "streamer", __version__)
    for module, distributions in PACKAGES:
        found = [f"{name} {version}" for name in distributions if (version := installed(name))]
        try:
            importlib.import_module(module)
        except Exception as error:  # a broken native library raises what it likes
            yield Finding(
                "problem", module, f"does not import: {error}: pip install {distributions[0]}"
            )
            continue
        if len(found) > 1:
            yield Finding(
                "advice", module, f"{' and '.join(found)} overwrite each other: keep only one"
            )
        else:
            yield Finding("ok", module, "".join(found) or "version unknown")


def _cores() -> Iterator[Finding]:
    from streamer.core.cores import allowed_cores, core_count, core_quota

    count, quota = core_count(), core_quota()
    text = f"{count}, which `model.threads: auto` means"
    if quota is not None and count < allowed_cores():
        text += f": {allowed_cores()} may be used, and a quota pays for {quota:g}"
    yield Finding("ok", "cores", text)


def _providers() -> Iterator[Finding]:
    from streamer.models.runtime.session import loadable_providers

    providers = loadable_providers()
    if not providers:
        yield Finding(
            "problem", "providers", "none loads: pip install --force-reinstall onnxruntime"
        )
    elif providers == ("cpu",):
        yield Finding("ok", "providers", "cpu only: no GPU was found that onnxruntime can use")
    else:
        yield Finding("ok", "providers", ", ".join(providers))


def _encoder() -> Iterator[Finding]:
    import av
    import numpy as np

    way_out = "pip install --force-reinstall --only-binary av av"
    try:
        codec = av.CodecContext.create("libx264", "w")
        codec.width = codec.height = 64
        codec.pix_fmt = "yuv420p"
        codec.time_base = codec.framerate = 1  # type: ignore[assignment]
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="bgr24")
        packets = [*codec.encode(frame.reformat(format="yuv420p")), *codec.encode(None)]
    except Exception as error:  # libav raises many kinds; each means that nothing is encoded
        yield Finding("problem", "H.264", f"libx264 does not encode ({error}): {way_out}")
        return
    if sum(packet.size for packet in packets):
        yield Finding("ok", "H.264", "libx264 encodes")
    else:
        yield Finding("problem", "H.264", f"libx264 encodes nothing: {way_out}")


def _window() -> Iterator[Finding]:
    from streamer.control.window.screen import window_problem

    problem = window_problem()
    yield Finding("ok" if problem is None else "advice", "window", problem or "can be shown")


def _cameras() -> Iterator[Finding]:
    from streamer.sources.cameras import list_cameras

    names = [
        f"{camera.index} {camera.name or camera.path or ''}".strip() for camera in list_cameras()
    ]
    if names:
        yield Finding("ok", "cameras", ", ".join(names))
    else:
        yield Finding("advice", "cameras", "none found: files, pictures and RTSP still work")


def _models() -> Iterator[Finding]:
    from huggingface_hub import constants

    from streamer.models.store.cache import cache_folder, can_be_written
    from streamer.models.store.registry import models
    from streamer.models.store.weights import cached_path

    cached = [
        f"{entry.name} {precision}"
        for entry in models().values()
        for precision in entry.files
        if cached_path(entry, precision) is not None
    ]
    if cached:
        yield Finding("ok", "models", f"{', '.join(cached)} in the cache")
    # Without a model in the cache, the main job needs to fetch one.
    when_closed: Verdict = "advice" if cached else "problem"
    try:
        folders = [cache_folder(), Path(constants.HF_HUB_CACHE)]
    except StreamerError as error:
        yield Finding(when_closed, "cache", str(error))
        return
    for folder in folders:
        if not can_be_written(folder):
            yield Finding(
                when_closed,
                "cache",
                f"{folder}: cannot be written: set STREAMER_CACHE and HF_HOME to folders that can",
            )
            return
    if not cached:
        yield Finding(
            "advice",
            "models",
            f"none in the cache yet ({folders[0]}): the first run fetches one, "
            "or `streamer models pull isnet`",
        )


def _openvino() -> Iterator[Finding]:
    from streamer.models.runtime import openvino

    if not openvino.is_installed():
        yield Finding(
            "advice",
            "openvino",
            'not installed; it runs int8 files faster on a CPU: pip install "streamer[openvino]"',
        )
        return
    openvino.load_openvino()
    yield Finding("ok", "openvino", f"openvino {installed('openvino') or 'of unknown version'}")


def _npm() -> Iterator[Finding]:
    from streamer.models.store.npm import npm_command

    try:
        command = npm_command("isnet")
    except StreamerError as error:
        yield Finding("advice", "npm", str(error))
    else:
        yield Finding("ok", "npm", shutil.which(command[0]) or command[0])


Check = Callable[[], Iterator[Finding]]

NEEDED: tuple[Check, ...] = (_versions, _cores, _providers, _encoder)
"""Checks of what the main job needs."""

USEFUL: tuple[Check, ...] = (_window, _cameras, _models, _openvino, _npm)
"""Checks of what only some jobs need; run after `NEEDED`."""


def doctor() -> None:
    """
    Check what this machine has and what is missing; fails if the main job cannot run.

    Example: streamer doctor
    """
    problems = 0
    checks: list[tuple[Check, Verdict]] = [(check, "problem") for check in NEEDED]
    checks += [(check, "advice") for check in USEFUL]
    for check, when_broken in checks:
        for finding in _findings(check, when_broken):
            problems += finding.verdict == "problem"
            text = " ".join(redact(finding.text).split())
            typer.echo(f"{finding.verdict:<8} {finding.what:<16} {text}")
    if problems:
        typer.echo(f"{problems} problem{'s' if problems > 1 else ''}: see above for what to do")
        raise typer.Exit(1)
    typer.echo("ready: `streamer demo` shows it at work")


def _findings(check: Check, when_broken: Verdict) -> Iterator[Finding]:
    """The findings of *check*; a check that raises is a finding, and the others still run."""
    try:
        yield from check()
    except Exception as error:
        name = getattr(check, "__name__", "check").strip("_")
        yield Finding(when_broken, name, f"cannot be checked: {type(error).__name__}: {error}")
