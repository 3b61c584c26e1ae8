"""`streamer relay`: serves or publishes a source without its background as a stream."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from streamer.cli import failures
from streamer.cli.guessing import guess_source, literal
from streamer.cli.lasting import For
from streamer.cli.run import Optimize, Overrides, Web
from streamer.errors import ConfigError


def relay(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            envvar="STREAMER_SOURCE",
            help="Camera index or name, rtsp:// or http:// URL, file, folder or glob of pictures.",
        ),
    ],
    serve: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="STREAMER_SERVE",
            help="Serve there: rtsp://[user:password@]127.0.0.1:8554/masked.",
        ),
    ] = None,
    publish: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="STREAMER_PUBLISH",
            help="Publish to a server that is there already.",
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="A name of `streamer models list`, or an .onnx file.")
    ] = "auto",
    layout: Annotated[
        str,
        typer.Option(
            help="cutout, mask, side_by_side, stack, grid, composite, alpha, overlay or source."
        ),
    ] = "cutout",
    codec: Annotated[str, typer.Option(help="h264 or h265.")] = "h264",
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let other machines watch without a password.")
    ] = False,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE.pem", help="For --serve rtsps://: the certificate.")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option(metavar="FILE.pem", help="For --serve rtsps://: its key.")
    ] = None,
    overrides: Overrides = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the run report there.")
    ] = None,
    for_s: For = None,
    optimize: Optimize = True,
    web: Web = False,
) -> None:
    """
    Relay a source with its background removed, until --for is over or Ctrl-C.

    Put URLs with passwords into the environment, where other users do not see them.

    Example: streamer relay rtsp://camera/stream --serve rtsp://127.0.0.1:8554/masked
    """
    from streamer.cli.driving import drive
    from streamer.config import ServeAddress, parse_box

    if serve is None and publish is None:
        raise ConfigError("relay: where to? Give --serve rtsp://127.0.0.1:8554/masked or --publish")
    files = {"certificate": certificate, "private_key": private_key}
    sink: dict[str, Any] = {"type": "rtsp", "layout": layout, "codec": codec, "insecure": insecure}
    sink |= {key: str(file) for key, file in files.items() if file is not None}
    sink |= {key: url for key, url in (("serve", serve), ("publish", publish)) if url is not None}
    data = {
        "name": "relay",
        "source": guess_source(source),
        "model": {"name": model},
        "sinks": [sink],
        "web": {} if web else None,
    }
    box = parse_box(literal(data), overrides or (), name="relay")
    if serve is not None:
        address = ServeAddress.parse(serve).url
        failures.say(f"{'serving':<10}  {address}, once the source is there", err=False)
    drive(box, context.obj, report, for_s, fast=optimize)
