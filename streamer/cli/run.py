"""`streamer run` and `streamer preview`, and options that other commands share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.guessing import guess_source, literal
from streamer.cli.lasting import For

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one value; again for more."),
]
Optimize = Annotated[
    bool,
    typer.Option(
        "--optimize/--no-optimize",
        help="On a CPU, make a faster file of the model first where there is none; once.",
    ),
]
Web = Annotated[
    bool,
    typer.Option("--web", help="Serve a page for browsers; `--set web.listen=HOST:PORT`: where."),
]

_RECORDINGS = "out/{stream}-{start:%Y%m%d-%H%M%S}"
"""Path of the recordings that the preview's key v starts, without the suffix."""


def run(
    context: typer.Context,
    configuration: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="A YAML file: `streamer config init`.")
    ],
    overrides: Overrides = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the run report there.")
    ] = None,
    for_s: For = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Read the file again when it changes, and at SIGHUP."),
    ] = False,
    web: Web = False,
) -> None:
    """
    Run the stream of a configuration, or several, until all have ended, --for is over, or Ctrl-C.

    Example: streamer run config/webcam.yaml --set source.fps=15 --report out/report.json
    """
    from streamer.cli.driving import ConfigFile, drive
    from streamer.config import parse_box
    from streamer.config.load import read_yaml

    changes = list(overrides or ())
    file = ConfigFile.read(configuration, changes, watch=watch)
    data = read_yaml(configuration)  # once: it may be a pipe
    box = parse_box(data, changes, name=str(configuration))
    if web and box.web is None:
        # The file has no page, and will have none when it is read again.
        changes.append("web={}")
        file = replace(file, overrides=tuple(changes))
        box = parse_box(data, changes, name=str(configuration))
    drive(box, context.obj, report, for_s, file=file)


def preview(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            help="Camera index or name, file, folder or glob of pictures, rtsp:// or http:// URL."
        ),
    ] = "0",
    model: Annotated[
        str, typer.Option(help="A name of `streamer models list`, or an .onnx file.")
    ] = "auto",
    layout: Annotated[
        str,
        typer.Option(
            help="side_by_side, stack, grid, cutout, composite, mask, alpha, overlay or source."
        ),
    ] = "side_by_side",
    overrides: Overrides = None,
    for_s: For = None,
    optimize: Optimize = True,
    web: Web = False,
) -> None:
    """
    Show a source in a window, subject beside mask. Press h for the keys, q to quit.

    Example: streamer preview clip.mp4 --layout composite --set compose.background=blur
    """
    from streamer.cli.driving import drive
    from streamer.compositing import pixels_of
    from streamer.config import BoxConfig, LayoutConfig, RecordSinkConfig, parse_box

    data = {
        "name": "preview",
        "source": guess_source(source),
        "model": {"name": model},
        "sinks": [{"type": "page" if web else "display", "layout": layout}],
        "web": {} if web else None,
    }
    box = parse_box(literal(data), overrides or (), name="preview")
    (config,) = box.streams.values()
    if not any(isinstance(sink, RecordSinkConfig) for sink in config.sinks):
        shown = config.sinks[0].model_dump(include=set(LayoutConfig.model_fields))
        has_alpha = pixels_of(config.sinks[0].layout, config.compose) == "bgra"
        path = _RECORDINGS + (".mov" if has_alpha else ".mp4")
        film = RecordSinkConfig(type="record", path=path, from_start=False, **shown)
        config = config.model_copy(update={"sinks": [*config.sinks, film]})
    drive(BoxConfig.of(config, box.web), context.obj, None, for_s, fast=optimize)
