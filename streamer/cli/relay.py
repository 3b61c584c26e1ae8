"""`streamer relay`: a source in, a stream for others to watch out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from streamer.cli.run import guess_source, literal
from streamer.errors import ConfigError


def relay(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(help="Camera index or name, rtsp:// URL, file, folder or glob of pictures."),
    ],
    serve: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Serve there: rtsp://[user:password@]127.0.0.1:8554/masked."
        ),
    ] = None,
    publish: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Publish to a server that is there already."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="A name of `streamer models list`, or an .onnx file.")
    ] = "rmbg-1.4",
    layout: Annotated[
        str, typer.Option(help="cutout, mask, side_by_side, composite, alpha or source.")
    ] = "cutout",
    codec: Annotated[str, typer.Option(help="h264 or h265.")] = "h264",
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let other machines watch without a password.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the run report there.")
    ] = None,
) -> None:
    """
    Relay a source with its background removed, until Ctrl-C.

    Example: streamer relay rtsp://camera/stream --serve rtsp://127.0.0.1:8554/masked
    """
    from streamer.cli.driving import drive
    from streamer.config import parse_config

    sinks: list[dict[str, Any]] = [
        {"type": "rtsp", way: url, "layout": layout, "codec": codec, "insecure": insecure}
        for way, url in (("serve", serve), ("publish", publish))
        if url is not None
    ]
    if not sinks:
        raise ConfigError("relay: where to? Give --serve rtsp://127.0.0.1:8554/masked or --publish")
    data = {
        "name": "relay",
        "source": guess_source(source),
        "model": {"name": model},
        "sinks": sinks,
    }
    drive(parse_config(literal(data), name="relay"), context.obj, report)
